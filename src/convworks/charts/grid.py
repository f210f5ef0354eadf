"""Many small pictures in rows, with captions and one colour key for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image

from convworks.charts.drawing import Drawing, Picture, Rectangle, Shape, Text, remark
from convworks.charts.lettering import Number, fit, room
from convworks.charts.signed import signed_colours, signed_picture

GAP, CAPTION, SIZE = 6.0, 13.0, 9.5
KEY, BAR = 26.0, 160.0
LARGEST = 480  # pixels of a side in the file; larger pictures are shrunk


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A picture with a line below it."""

    pixels: UInt8[np.ndarray, "h w 4"]
    caption: str = ""


def signed_tile(values: Float[np.ndarray, "h w"], scale: float, caption: str = "") -> Tile:
    """Return signed values as a tile: blue negative, white zero, orange positive, saturated at `scale`."""
    return Tile(pixels=rgba(signed_picture(values.astype(np.float32), scale or 1.0)), caption=caption)


def colour_tile(pixels: UInt8[np.ndarray, "h w c"], caption: str = "") -> Tile:
    """Return an image with one channel or three as a tile; of any other number, the mean."""
    channels = pixels.shape[2]
    flat = pixels if channels == 3 else pixels.mean(2).round().astype(np.uint8)
    return Tile(pixels=rgba(Image.fromarray(np.ascontiguousarray(flat))), caption=caption)


def rgba(image: Image.Image) -> UInt8[np.ndarray, "h w 4"]:
    """Return an image as RGBA, no larger than needed."""
    if max(image.size) > LARGEST:
        factor = LARGEST / max(image.size)
        width, height = (max(1, round(length * factor)) for length in image.size)
        image = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image.convert("RGBA"))


def grid(
    tiles: Sequence[Tile],
    *,
    columns: int,
    side: Number,
    title: str,
    remarks: Sequence[str] = (),
    rows: Sequence[str] = (),
    scale: float | None = None,
) -> Drawing:
    """Draw tiles of one shape in rows of `columns`, the longer side `side` points; `rows` names the rows.

    With `scale`, the key of the signed colours is drawn below the remarks.
    """
    shapes: list[Shape] = [Text(x=0, y=10, text=title, size=15, bold=True)]
    top = 30.0
    for line in remarks:
        shapes.append(remark(0, top, line, "start", size=11))
        top += 17
    if scale is not None:
        shapes += signed_key(0, top, scale)
        top += KEY
    left = max((room(name, 10.5) for name in rows), default=-7.0) + 8  # a frame needs 1
    height, width = tiles[0].pixels.shape[:2]
    wide, high = side * width / max(height, width), side * height / max(height, width)
    captioned = CAPTION if any(tile.caption for tile in tiles) else 0.0
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        x, y = left + column * (wide + GAP), top + row * (high + captioned + GAP)
        frame = Rectangle(x=x - 1, y=y - 1, width=wide + 2, height=high + 2, fill="grid")  # white tiles need an edge
        shapes += [frame, Picture(x=x, y=y, width=wide, height=high, pixels=_at_most(tile.pixels, 2 * side))]
        if tile.caption:
            caption = fit(tile.caption, SIZE, wide + GAP - 2)
            shapes.append(remark(x + wide / 2, y + high + 7, caption, size=SIZE))
        if column == 0 and row < len(rows):
            shapes.append(remark(0, y + high / 2, rows[row], "start"))
    lines = -(-len(tiles) // columns)
    right = left + min(columns, len(tiles)) * (wide + GAP)
    text = max((room(line, 11) for line in remarks), default=0.0)
    return Drawing(
        width=max(right, text, room(title, 15), BAR + 90),
        height=top + lines * (high + captioned + GAP),
        label=title,
        shapes=tuple(shapes),
    )


def _at_most(pixels: UInt8[np.ndarray, "h w 4"], side: Number) -> UInt8[np.ndarray, "h w 4"]:
    """Return a picture with no more pixels along a side than are seen, by the mean of those that share one."""
    factor = side / max(pixels.shape[:2])
    if factor >= 1:
        return pixels
    height, width = (max(1, round(length * factor)) for length in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def signed_key(x: Number, y: Number, scale: float) -> list[Shape]:
    """Draw the colours from -scale to scale, with both numbers."""
    colours = signed_colours()
    bar = np.concatenate([colours, np.full((len(colours), 1), 255, np.uint8)], 1)[None]
    low = f"−{scale:.3g}"
    left = x + room(low, 10.5) + 6
    return [
        remark(x, y, low, "start"),
        Picture(x=left, y=y - 5, width=BAR, height=10, pixels=bar),
        remark(left + BAR + 6, y, f"{scale:.3g}", "start"),
    ]


def strongest_of(values: Float32[np.ndarray, "..."]) -> float:
    """Return the scale that several signed arrays share: the largest absolute value, 1 if all are 0."""
    return float(np.abs(values).max(initial=0.0)) or 1.0
