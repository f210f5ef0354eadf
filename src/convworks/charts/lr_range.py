"""The curve of a learning rate range test: loss over learning rate, on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from convworks.charts.axes import Panel, linear_ticks, log_ticks, number
from convworks.charts.clip import clipped
from convworks.charts.drawing import Circle, Drawing, Line, Rectangle, Shape, Text, remark
from convworks.charts.lettering import Number, room

WIDTH, HEIGHT = 880.0, 400.0
TOP, SIDE, BELOW = 92.0, 50.0, 44.0
#: Upper end of the axis as a multiple of the distance from the lowest loss to the first; what diverges is clipped.
HEADROOM = 1.35


class Mark(NamedTuple):
    """A learning rate to mark on the curve."""

    name: str
    rate: float
    colour: str


def range_picture(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    marks: Sequence[Mark],
    *,
    title: str,
    remarks: str,
) -> Drawing:
    """Draw the losses of a sweep, raw (grey) and smoothed (blue), with marks on the smoothed curve."""
    low = min(smoothed)
    high = max(low + HEADROOM * max(smoothed[0] - low, 0.05 * abs(low), 1e-6), *smoothed[: max(1, len(smoothed) // 2)])
    margin = 0.05 * (high - low)
    y_range = (max(0.0, low - margin) if low >= 0 else low - margin, high)
    x_range = (math.log10(rates[0]), math.log10(rates[-1]))
    panel = Panel(left=SIDE, top=TOP, width=WIDTH - SIDE - 12, height=HEIGHT - TOP - BELOW, x=x_range, y=y_range)
    bottom = panel.top + panel.height
    shapes: list[Shape] = [
        Text(x=0, y=10, text=title, size=16, bold=True),
        Text(x=0, y=32, text=remarks, size=11, fill="muted"),
        *_key(),
    ]
    for tick in linear_ticks(*y_range):
        y = panel.up(tick)
        shapes.append(Line(points=((panel.left, y), (panel.left + panel.width, y)), stroke="grid"))
        shapes.append(remark(panel.left - 7, y, number(tick), "end"))
    for tick in log_ticks(rates[0], rates[-1]):
        x = panel.across(math.log10(tick))
        shapes.append(Line(points=((x, bottom), (x, bottom + 4)), stroke="muted"))
        shapes.append(remark(x, bottom + 14, number(tick)))
    shapes.append(remark(panel.left + panel.width / 2, bottom + 33, "learning rate (logarithmic scale)", size=11))
    shapes.append(remark(panel.left, TOP - 12, "loss", size=11))
    shapes += [_line(panel, mark) for mark in marks]
    shapes += _curve(panel, rates, losses, "muted", 1.0)
    shapes += _curve(panel, rates, smoothed, "blue", 2.4)
    row_ends: list[float] = []
    for mark in sorted(marks, key=lambda mark: mark.rate):
        shapes += _marked(panel, mark, smoothed[_nearest(rates, mark.rate)], row_ends)
    return Drawing(width=WIDTH, height=HEIGHT, label=f"{title}: {remarks}", shapes=tuple(shapes))


def draw(result: Mapping[str, Any]) -> Drawing:
    """Draw the result of `convworks.lr_range`."""
    names = {"edge": ("suggested", "green"), "steepest": ("steepest", "muted"), "tenth": ("lowest / 10", "muted")}
    marks = [Mark(name, result[key], colour) for key, (name, colour) in names.items() if result[key]]
    end_text = "until the loss diverged" if result["exploded"] else "to the end of the range"
    return range_picture(
        result["rates"],
        result["losses"],
        result["smoothed"],
        [mark for mark in marks if result["rates"][0] <= mark.rate <= result["rates"][-1]],
        title=f"Learning rate range test: {result['model']} on {result['source']}",
        remarks=f"{len(result['losses'])} steps from {result['rates'][0]:.2g}, {end_text} at {result['rates'][-1]:.2g}",
    )


def _key() -> list[Shape]:
    shapes: list[Shape] = []
    for index, (name, colour) in enumerate((("each step", "muted"), ("smoothed", "blue"))):
        left = 110.0 * index
        shapes.append(Line(points=((left, 55), (left + 16, 55)), stroke=colour, width=2.4 if index else 1.0))
        shapes.append(remark(left + 22, 55, name, "start", size=11))
    return shapes


def _curve(panel: Panel, rates: Sequence[float], values: Sequence[float], colour: str, width: Number) -> list[Shape]:
    """Draw a curve, clipped to the panel."""
    points = [(math.log10(rate), value) for rate, value in zip(rates, values, strict=True)]
    return [
        Line(points=tuple((panel.across(x), panel.up(y)) for x, y in part), stroke=colour, width=width)
        for part in clipped(points, *panel.y)
    ]


def _line(panel: Panel, mark: Mark) -> Shape:
    x = panel.across(math.log10(mark.rate))
    ends = ((x, panel.top), (x, panel.top + panel.height))
    return Line(points=ends, stroke=mark.colour, width=1.4, dashed=True)


def _marked(panel: Panel, mark: Mark, loss: float, row_ends: list[float]) -> list[Shape]:
    """Draw a disc on the curve and the mark's label above, in the first row with room (`row_ends`)."""
    x, y = panel.across(math.log10(mark.rate)), panel.up(min(loss, panel.y[1]))
    text = f"{mark.name}: {mark.rate:.2g}"
    width = room(text, 11) + 14
    left = min(x + 8, panel.left + panel.width - width)
    if left < x:  # no room on the right
        left = x - 8 - width
    row = next((row for row, end in enumerate(row_ends) if end < left - 8), len(row_ends))
    row_ends[row : row + 1] = [left + width]
    above = panel.top + 6 + 24 * row
    return [
        Circle(x=x, y=y, radius=5.0, fill=mark.colour),
        Rectangle(x=left, y=above, width=width, height=20, fill="paper", stroke=mark.colour, radius=4),
        Text(x=left + 7, y=above + 10, text=text, size=11, fill=mark.colour),
    ]


def _nearest(rates: Sequence[float], rate: float) -> int:
    return min(range(len(rates)), key=lambda index: abs(math.log(rates[index] / rate)))
