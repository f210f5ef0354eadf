"""The confusion matrix and the reliability diagram as drawings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from convworks.charts.axes import Panel
from convworks.charts.drawing import PALETTE, Drawing, Line, Picture, Rectangle, Shape, Text, remark
from convworks.charts.lettering import Number, shorten, text_width
from convworks.metrics.classification import Calibration

#: Up to this many classes, every cell is drawn separately with its count; above, the matrix is one image.
ANNOTATED = 20
#: Maximum side of that image in pixels; with more classes, one pixel covers several.
MOST_PIXELS = 500
FAINTEST = 0.06
#: Colour and opacity of the bars of the reliability diagram, and of their gaps to the confidence.
BAR, OVER, UNDER, SAMPLES = ("blue", 0.85), ("orange", 0.6), ("blue", 0.35), ("muted", 0.55)
NAME_LENGTH = 24


def confusion(matrix: Int64[np.ndarray, "k k"], classes: Sequence[str]) -> Drawing:
    """Draw a confusion matrix: rows are true classes, columns predicted; colour is the fraction of the row."""
    k = len(classes)
    cell = min(58.0, max(30.0, 440 / k)) if k <= ANNOTATED else 720 / k
    size = 11.5 if k <= ANNOTATED else 9.0
    indices = range(0, k, max(1, math.ceil(1.25 * size / cell)))
    names = {i: shorten(classes[i], NAME_LENGTH) for i in indices}
    widest = max(text_width(name, size) for name in names.values())
    turned = widest > cell - 6 or k > ANNOTATED
    left, top, side = 34 + widest + 8, 26.0, cell * k
    below = widest * 0.71 + 16 if turned and k <= ANNOTATED else widest + 12 if turned else 22
    fractions = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    shapes: list[Shape] = [Rectangle(x=left, y=top, width=side, height=side, fill="grid", opacity=0.35)]
    if k <= ANNOTATED:
        shapes += _cells(matrix, fractions, classes, left, top, cell)
    else:
        shapes.append(Picture(x=left, y=top, width=side, height=side, pixels=_pixels(fractions)))
    angle = 45.0 if k <= ANNOTATED else 90.0
    for i, name in names.items():
        middle = (i + 0.5) * cell
        shapes.append(Text(x=left - 8, y=top + middle, text=name, size=size, anchor="end", fallback=f"#{i}"))
        anchor, turn = ("end", angle) if turned else ("middle", 0.0)
        y = top + side + (8 if turned else 13)
        shapes.append(Text(x=left + middle, y=y, text=name, size=size, anchor=anchor, turn=turn, fallback=f"#{i}"))
    shapes.append(Text(x=9, y=top + side / 2, text="true class", size=11, fill="muted", anchor="middle", turn=90))
    bottom = top + side + below + 10
    shapes.append(remark(left + side / 2, bottom, "predicted class", size=11))
    shapes += _key(left, 8)
    width = max(left + side + 14, left + 430)
    label = f"Confusion matrix of {k} classes"
    return Drawing(width=width, height=bottom + 12, label=label, shapes=tuple(shapes))


def calibration(bins: Calibration, counted: str = "image") -> Drawing:
    """Draw accuracy against confidence (a reliability diagram), with the number of images or pixels per bin below."""
    panel = Panel(left=58, top=30, width=320, height=250, x=(0, 1), y=(0, 1))
    counts = Panel(left=58, top=296, width=320, height=58, x=(0, 1), y=(0, 1))
    shapes: list[Shape] = panel.axes(percent=True, x_ticks=[])
    # Wide enough for the fonts of browsers, such as DejaVu Sans.
    key_entries = ((58, BAR, "accuracy"), (142, OVER, "overconfident"), (254, UNDER, "underconfident"))
    for left, (colour, opacity), label_text in key_entries:
        shapes.append(Rectangle(x=left, y=3, width=12, height=12, fill=colour, opacity=opacity))
        shapes.append(remark(left + 17, 9, label_text, "start", size=11))
    largest = math.sqrt(bins.count.max())
    width = panel.width / len(bins.count)
    for i in np.flatnonzero(bins.count).tolist():
        confidence, accuracy, count = float(bins.confidence[i]), float(bins.accuracy[i]), int(bins.count[i])
        samples = f"1 {counted}" if count == 1 else f"{count:,} {counted}s"
        title = f"{samples}: confidence {100 * confidence:.1f} %, accuracy {100 * accuracy:.1f} %"
        bar_height = max(0.02, math.sqrt(count) / largest)
        gap = OVER if confidence > accuracy else UNDER
        x, lower, upper = panel.left + i * width + 1, min(accuracy, confidence), max(accuracy, confidence)
        boxes = ((panel, 0.0, lower, BAR), (panel, lower, upper, gap), (counts, 0.0, bar_height, SAMPLES))
        for target, low, high, (fill, opacity) in boxes:
            y, height = target.up(high), target.up(low) - target.up(high)
            bar = Rectangle(x=x, y=y, width=width - 2, height=height, fill=fill, opacity=opacity, title=title)
            shapes.append(bar)
    shapes.append(Line(points=((58, panel.up(0)), (378, panel.up(1))), stroke="ink", dashed=True))
    shapes += [remark(counts.across(x / 100), 367, f"{x} %") for x in range(0, 101, 20)]
    shapes.append(remark(218, 386, "confidence (probability of the predicted class)"))
    shapes += [remark(51, 318, f"{counted}s", "end"), remark(51, 332, "(√ scale)", "end")]
    label = f"Reliability diagram, expected calibration error {100 * bins.error:.2f} %"
    return Drawing(width=396, height=394, label=label, shapes=tuple(shapes))


def _strength(fraction: Number) -> float:
    """Map a fraction of the row to an opacity; the square root keeps rare mistakes visible."""
    return FAINTEST + 0.89 * math.sqrt(fraction) if fraction else 0.0


def _cells(
    matrix: Int64[np.ndarray, "k k"],
    fractions: Float64[np.ndarray, "k k"],
    classes: Sequence[str],
    left: Number,
    top: Number,
    cell: Number,
) -> list[Shape]:
    shapes: list[Shape] = []
    longest = len(str(int(matrix.max())))
    size = min(13.0, cell * 0.42, 1.55 * (cell - 4) / longest)
    for row, column in np.argwhere(matrix).tolist():
        count, strength = int(matrix[row, column]), _strength(float(fractions[row, column]))
        x, y = left + column * cell, top + row * cell
        fill = "blue" if row == column else "orange"
        title = f"{classes[row]} taken for {classes[column]}: {count:,} of {int(matrix[row].sum()):,}"
        ink = "inverse" if strength > 0.6 else "ink"
        shapes += [
            Rectangle(
                x=x + 0.5,
                y=y + 0.5,
                width=cell - 1,
                height=cell - 1,
                fill=fill,
                opacity=strength,
                title=title,
            ),
            Text(x=x + cell / 2, y=y + cell / 2, text=str(count), size=size, fill=ink, anchor="middle"),
        ]
    return shapes


def _pixels(fractions: Float64[np.ndarray, "k k"]) -> UInt8[np.ndarray, "m m 4"]:
    """Render a matrix as pixels; each shows the strongest of its cells."""
    k = len(fractions)
    block = math.ceil(k / MOST_PIXELS)
    m = math.ceil(k / block)
    pixels = np.zeros((m, m, 4), np.uint8)
    for colour, values in (("orange", fractions * ~np.eye(k, dtype=bool)), ("blue", fractions * np.eye(k))):
        padded = np.zeros((m * block, m * block))
        padded[:k, :k] = values
        strongest = padded.reshape(m, block, m, block).max((1, 3))
        opacity = np.where(strongest > 0, FAINTEST + 0.89 * np.sqrt(strongest), 0)
        mask = (opacity > 0) if colour == "orange" else opacity * 255 > pixels[..., 3]
        pixels[mask, :3] = list(bytes.fromhex(PALETTE[colour][1:]))
        pixels[mask, 3] = (255 * opacity[mask]).round()
    return pixels


def _key(left: Number, y: Number) -> list[Shape]:
    """Draw the colour key, one line above the matrix."""
    shapes: list[Shape] = []
    for x, colour, words in ((left, "blue", "right"), (left + 100, "orange", "wrong")):
        for i, fraction in enumerate((0.01, 0.1, 0.4, 1.0)):
            opacity = _strength(fraction)
            shapes.append(Rectangle(x=x + 12 * i, y=y - 6, width=12, height=12, fill=colour, opacity=opacity))
        shapes.append(remark(x + 54, y, words, "start", size=11))
    shapes.append(remark(left + 200, y, "stronger: larger fraction of the row", "start", size=11))
    return shapes
