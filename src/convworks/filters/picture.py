"""A picture of filtering: original and result side by side, the kernel, and the colour scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from PIL import Image, ImageDraw

from convworks.charts.drawing import PALETTE
from convworks.charts.lettering import Number, Style, fit, shown, text_width, write
from convworks.charts.signed import ZERO, signed_colours, strongest

WIDTH, MARGIN, GAP = 1600, 36, 28  # pixels
TALLEST, NARROWEST = 1000, 520
HEAD, FOOT = 96, 36
CELL, SMALL_CELL, NUMBERED = 46, 12, 7  # pixels of a kernel cell; kernels up to 7x7 are drawn with numbers
MOST_DENOMINATOR = 4096


@dataclass(frozen=True, kw_only=True)
class Caption:
    """The text of the picture: a title and a line above each image, beside the kernel, and below the result."""

    image: str
    before: str
    kernel: str
    after: str
    shows: Sequence[str]
    values: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Colours:
    """The value of the strongest colours of a signed result, and its minimum and maximum."""

    scale: float
    lowest: float
    highest: float


def side_by_side(
    original: Image.Image,
    result: Image.Image,
    weights: Float64[np.ndarray, "kh kw"],
    stride: int,
    caption: Caption,
    colours: Colours | None = None,
) -> Image.Image:
    """Draw original and result, with the kernel between them; `colours` adds a colour bar."""
    size = [max(original.size[i], result.size[i] * stride) for i in (0, 1)]
    most = (WIDTH - 2 * MARGIN - GAP) // 2
    zoom = min(most / size[0], TALLEST / size[1])
    if zoom > 1:  # pixels become squares of equal size, or stay unscaled
        zoom = max(1, NARROWEST // max(size))
    left, right = _zoomed(original, zoom), _zoomed(result, zoom * stride)
    slot = max(NARROWEST, left.width, right.width)
    high = max(left.height, right.height)
    grid = _kernel_size(weights)
    sheet = Image.new(
        "RGB",
        (2 * MARGIN + 2 * slot + GAP, HEAD + high + FOOT + max(grid[1], 120 if colours is not None else 60) + MARGIN),
        PALETTE["paper"],
    )
    columns = (MARGIN, MARGIN + slot + GAP)
    for x, picture, title, text in zip(
        columns, (left, right), (caption.image, caption.kernel), (caption.before, caption.after), strict=True
    ):
        _write(sheet, (x, 38), title, 28, slot, bold=True)
        _write(sheet, (x, 74), text, 21, slot, colour="muted")
        sheet.paste(picture, (x, HEAD))
        ImageDraw.Draw(sheet).rectangle(
            (x - 1, HEAD - 1, x + picture.width, HEAD + picture.height), outline=PALETTE["grid"]
        )
    below = HEAD + high + FOOT
    right_of_kernel = _draw_kernel(sheet, (columns[0], below), weights) + GAP
    _lines(sheet, (right_of_kernel, below + 10), caption.shows, columns[1] - GAP - right_of_kernel)
    if colours is not None:
        _draw_bar(sheet, (columns[1], below), slot, colours)
    _lines(sheet, (columns[1], below + (10 if colours is None else 78)), caption.values, slot)
    return sheet


def _zoomed(picture: Image.Image, zoom: Number) -> Image.Image:
    """Return a picture in RGB, shrunk, or enlarged with its pixels as squares."""
    size = (max(1, round(picture.width * zoom)), max(1, round(picture.height * zoom)))
    if zoom < 1 and picture.mode == "P":
        picture = strongest(picture, int(1 / zoom))
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    if picture.size == size:
        return picture
    return picture.resize(
        size, Image.Resampling.NEAREST if zoom >= 1 else Image.Resampling.BOX, reducing_gap=2.0 if zoom < 1 else None
    )


def _kernel_size(weights: Float64[np.ndarray, "kh kw"]) -> tuple[int, int]:
    high, wide = weights.shape
    cell = CELL if max(high, wide) <= NUMBERED else SMALL_CELL if max(high, wide) <= 25 else 3
    return wide * cell, high * cell


def _draw_kernel(sheet: Image.Image, at: tuple[int, int], weights: Float64[np.ndarray, "kh kw"]) -> int:
    """Draw the weights as coloured cells, up to 7x7 with numbers; return the x coordinate of their right edge."""
    pencil = ImageDraw.Draw(sheet)
    table = signed_colours()
    numbered = max(weights.shape) <= NUMBERED
    divisor, texts = _as_texts(weights) if numbered else ("", [])
    if divisor:
        style = Style(size=26, colour=PALETTE["ink"])
        write(sheet, (at[0], at[1] + _kernel_size(weights)[1] / 2), divisor, style)
        at = (at[0] + round(text_width(divisor, 26)) + 12, at[1])
    cell = _kernel_size(weights)[0] // weights.shape[1]
    # Cells with numbers are light, so that the text is legible.
    strength = ZERO * (0.6 if numbered else 1.0) / (np.abs(weights).max() or 1.0)
    for (row, column), weight in np.ndenumerate(weights):
        x, y = at[0] + column * cell, at[1] + row * cell
        fill = tuple(table[ZERO + round(weight * strength)])
        pencil.rectangle((x, y, x + cell, y + cell) if numbered else (x, y, x + cell - 1, y + cell - 1), fill=fill)
        if numbered:
            pencil.rectangle((x, y, x + cell, y + cell), outline=PALETTE["grid"])
            text = texts[row * weights.shape[1] + column]
            size = min(20.0, 20 * (cell - 6) / text_width(text, 20))
            write(sheet, (x + cell / 2, y + cell / 2), text, Style(size=size, colour=PALETTE["ink"]), anchor="middle")
    return int(at[0] + cell * weights.shape[1])


def _as_texts(weights: Float64[np.ndarray, "kh kw"]) -> tuple[str, list[str]]:
    """Return the weights as integers with a common factor ("1/16 ·"), or as decimals."""
    flat = weights.ravel()
    for divisor in range(1, MOST_DENOMINATOR + 1):
        whole = np.rint(flat * divisor)
        if np.abs(flat * divisor - whole).max() < 1e-6 and np.abs(whole).max() < 10_000:
            texts = [f"{int(number)}" for number in whole]
            return (f"1/{divisor} ·" if divisor > 1 else ""), texts
    return "", [f"{number:.2g}" for number in flat]


def _draw_bar(sheet: Image.Image, at: tuple[int, int], width: int, colours: Colours) -> None:
    """Draw the colour bar."""
    bar = Image.fromarray(signed_colours()[None]).resize((width, 22), Image.Resampling.NEAREST)
    sheet.paste(bar, at)
    ImageDraw.Draw(sheet).rectangle((at[0] - 1, at[1] - 1, at[0] + width, at[1] + 22), outline=PALETTE["grid"])
    number = f"{colours.scale:.3g}" if colours.scale < 1000 else f"{colours.scale:,.0f}"
    less = " and less" if colours.lowest < -colours.scale else ""
    more = " and more" if colours.highest > colours.scale else ""
    for position, text, anchor in (
        (0.0, f"-{number}{less}", "start"),
        (0.5, "0", "middle"),
        (1.0, number + more, "end"),
    ):
        style = Style(size=21, colour=PALETTE["ink"])
        write(sheet, (at[0] + position * width, at[1] + 42), text, style, anchor=anchor)


def _lines(sheet: Image.Image, at: tuple[int, int], texts: Sequence[str], width: int) -> None:
    """Write texts below each other, each wrapped to the width."""
    lines: list[str] = []
    for text in texts:
        words = text.split()
        lines.append(words[0])
        for word in words[1:]:
            if text_width(f"{lines[-1]} {word}", 21) <= width:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
    for number, line in enumerate(lines):
        _write(sheet, (at[0], at[1] + 30 * number), line, 21, width, colour="muted")


def _write(
    sheet: Image.Image,
    at: tuple[int, int],
    text: str,
    size: int,
    width: int,
    *,
    colour: str = "ink",
    bold: bool = False,
) -> None:
    """Write a text within a width; the middle of a longer one is cut out."""
    text = fit(text, size, width)
    write(
        sheet,
        at,
        text if shown(text) else text.encode("ascii", "replace").decode(),
        Style(size=size, colour=PALETTE[colour], bold=bold),
    )
