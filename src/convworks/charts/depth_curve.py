"""Accuracy of linear probes over depth: one point for every tap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convworks.charts.axes import Panel
from convworks.charts.drawing import Circle, Drawing, Line, Shape, Text, remark
from convworks.charts.lettering import text_width

WIDTH, PLOT = 880.0, 300.0
TOP, SIDE = 86.0, 56.0
SIZE = 10.5


def depth_curve(rows: Sequence[Mapping[str, Any]], *, title: str, remarks: str) -> Drawing:
    """Draw the rows of `probe`: validation as a line, test with 95 % intervals; tap names below, horizontal."""
    accuracies = [value for row in rows for value in (row["validation"], *(row["interval"] or ()))]
    margin = 0.06 * (max(accuracies) - min(accuracies)) + 0.01
    y_range = (max(0.0, min(accuracies) - margin), min(1.0, max(accuracies) + margin))
    panel = Panel(left=SIDE, top=TOP, width=WIDTH - SIDE - 16, height=PLOT, x=(-0.5, len(rows) - 0.5), y=y_range)
    shapes: list[Shape] = [
        Text(x=0, y=10, text=title, size=16, bold=True),
        Text(x=0, y=32, text=remarks, size=11, fill="muted"),
        *panel.axes(percent=True, x_ticks=[]),
    ]
    bottom, below = panel.top + panel.height, 0.0
    step = panel.width / len(rows)
    for index, row in enumerate(rows):
        x = panel.across(index)
        shapes.append(Line(points=((x, bottom), (x, bottom + 4)), stroke="muted"))
        lines = _wrapped(row["tap"], step)
        for line_number, part in enumerate(lines):
            shapes.append(remark(x, bottom + 15 + 12 * line_number, part, size=SIZE))
        below = max(below, 15 + 12 * len(lines))
    curves = [("validation", "blue"), *([("test", "violet")] if rows[0]["test"] is not None else [])]
    for index, (name, colour) in enumerate(curves):
        points = tuple((panel.across(x), panel.up(row[name])) for x, row in enumerate(rows))
        left = SIDE + 110.0 * index
        shapes += [Line(points=((left, 60), (left + 16, 60)), stroke=colour, width=2.2)]
        shapes.append(remark(left + 22, 60, name, "start", size=11))
        if name == "test":
            for x, row in enumerate(rows):
                low, high = (panel.up(value) for value in row["interval"])
                shapes.append(Line(points=((panel.across(x), low), (panel.across(x), high)), stroke=colour, width=1.2))
        shapes.append(Line(points=points, stroke=colour, width=2.2))
        shapes += [Circle(x=x, y=y, radius=3.2, fill=colour) for x, y in points]
    label = f"{title}: {remarks}"
    return Drawing(width=WIDTH, height=bottom + below + 10, label=label, shapes=tuple(shapes))


def _wrapped(tap: str, width: float) -> list[str]:
    """Break a name into lines that fit below its tick: at the dots, then anywhere if a part is still too wide."""
    lines: list[str] = []
    for part in tap.split("."):
        while part:
            length = len(part)
            while length > 3 and text_width(part[:length], SIZE) > width - 3:
                length -= 1
            lines.append(part[:length])
            part = part[length:]
    return lines
