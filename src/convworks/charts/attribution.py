"""An attribution beside its image: the values in signed colours with their scale, and laid over the image."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image

from convworks.charts.drawing import Drawing, Picture, Shape, Text, remark
from convworks.charts.lettering import fit
from convworks.charts.signed import signed_colours, signed_picture, signed_scale

#: The longest side of a picture, the gap between two, and the height of a scale, in points.
SIDE, GAP, BAR = 168.0, 14.0, 9.0
TITLE, LABELS = 22.0, 16.0
#: How much of a picture the strongest values cover.
COVER = 0.85

Pixels = UInt8[np.ndarray, "h w c"]
Values = Float32[np.ndarray, "h w"]


def image_drawing(pixels: Pixels, title: str, *, side: float = SIDE) -> Drawing:
    """Draw an image under its title."""
    width, height = _size(pixels.shape, side)
    shapes: tuple[Shape, ...] = (
        Text(x=0, y=8, text=fit(title, 12, width), bold=True),
        Picture(x=0, y=TITLE, width=width, height=height, pixels=_opaque(colours_of(pixels))),
    )
    return Drawing(width=width, height=TITLE + height, label=title, shapes=shapes)


def attribution_drawing(pixels: Pixels, values: Values, title: str, *, side: float = SIDE) -> Drawing:
    """Draw values on their scale, and beside them the same over the image.

    Orange counts for, blue against, white not at all. The scale ends at the largest magnitude, or at a quantile if few
    values lie far beyond (charts/signed.py). Values that are not finite are drawn as zero.
    """
    width, height = _size(pixels.shape, side)
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    largest = float(np.abs(finite).max(initial=0.0))
    scale = signed_scale(finite, largest)
    coloured = np.asarray(signed_picture(finite, scale).convert("RGB"))
    over = _over(colours_of(pixels), finite / np.float32(scale))
    wide, bottom = 2 * width + GAP, TITLE + height
    shapes: list[Shape] = [
        Text(x=0, y=8, text=fit(title, 12, wide), bold=True),
        Picture(x=0, y=TITLE, width=width, height=height, pixels=_opaque(coloured)),
        Picture(x=width + GAP, y=TITLE, width=width, height=height, pixels=_opaque(over)),
        *_scale(scale, bottom + 8, width, signed=bool((finite < 0).any()), more=scale < largest),
    ]
    label = f"{title}: values from {finite.min():.3g} to {finite.max():.3g}"
    return Drawing(width=wide, height=bottom + 8 + BAR + LABELS, label=label, shapes=tuple(shapes))


def _scale(scale: float, top: float, width: float, *, signed: bool, more: bool) -> list[Shape]:
    """Draw the colours from the lowest to the highest value; `more` marks that some lie beyond."""
    colours = signed_colours() if signed else signed_colours()[len(signed_colours()) // 2 :]
    marks = (
        [(0.0, f"{-scale:.2g}"), (width / 2, "0"), (width, f"{scale:.2g}")]
        if signed
        else [
            (0.0, "0"),
            (width, f"{scale:.2g}"),
        ]
    )
    beyond = " and more" if more else ""
    return [
        Picture(x=0, y=top, width=width, height=BAR, pixels=_opaque(colours[None])),
        *(remark(x, top + BAR + 9, text + (beyond if x == width else ""), _anchor(x, width)) for x, text in marks),
    ]


def _anchor(x: float, width: float) -> str:
    return "start" if x == 0 else "end" if x == width else "middle"


def _size(shape: tuple[int, ...], side: float) -> tuple[float, float]:
    """Return width and height in points; an image keeps its proportions."""
    height, width = shape[:2]
    return side * width / max(height, width), side * height / max(height, width)


def colours_of(pixels: Pixels) -> UInt8[np.ndarray, "h w 3"]:
    """Return pixels in three colours: grey ones repeated; the mean of any other number."""
    if pixels.shape[2] == 3:
        return pixels
    grey = pixels.mean(2, keepdims=True).round().astype(np.uint8)
    return np.repeat(grey, 3, axis=2)


def _over(colours: UInt8[np.ndarray, "h w 3"], fractions: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Lay the strongest colours over a pale grey image, as much of them as each value is of the scale."""
    grey = np.repeat(96 + 0.6 * colours.mean(2, keepdims=True), 3, axis=2)
    against, _, favour = signed_colours()[[0, 127, 254]].astype(np.float64)
    cover = COVER * np.abs(fractions).clip(0, 1)[..., None]
    strongest = np.where(fractions[..., None] < 0, against, favour)
    return np.asarray((grey * (1 - cover) + strongest * cover).round().clip(0, 255), dtype=np.uint8)


def _opaque(colours: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 4"]:
    return np.asarray(Image.fromarray(np.ascontiguousarray(colours)).convert("RGBA"))
