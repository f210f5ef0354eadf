"""The curves of several runs in one drawing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from convworks.charts.axes import Panel, Range, linear_ticks
from convworks.charts.clip import Point, clipped
from convworks.charts.drawing import Circle, Drawing, Line, Shape, Text, remark
from convworks.charts.lettering import Number, shorten, text_width
from convworks.metrics.spec import DRAWN, spec

WIDTH, PANEL, GAP = 960.0, 252.0, 34.0
COLOURS = ("blue", "orange", "green", "violet", "rose", "teal", "ochre", "brown")
#: This many runs get their own colour or dash; all others are thin and grey.
NAMED = 2 * len(COLOURS)
MOST_POINTS = 300
LONGEST = 44
#: Lines of at least so many points are smoothed, by a standard deviation of this fraction of them; raw ones stay faint.
SMOOTHED, SPREAD, FAINT = 20, 0.02, 0.3
#: A loss that spans more than this ratio is drawn on a logarithmic scale.
DECADE = 12


@dataclass(frozen=True, kw_only=True)
class Curves:
    """A run: its name, a remark for the legend, and its rows as `curves` draws them."""

    name: str
    remark: str
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class _Pen:
    colour: str
    width: float
    dashed: bool = False


#: Title, key of the history, whether it is a fraction; what else a task draws comes behind.
PANELS = (
    ("Validation accuracy", "validation_top1", True),
    ("Validation mAP", "validation_map", True),
    ("Validation loss", "validation_loss", False),
    ("Validation PSNR (dB)", "validation_psnr", False),
    ("Training accuracy", "train_top1", True),
    ("Training exact match", "train_exact_match", True),
    ("Training loss", "train_loss", False),
)


def overlay(runs: Sequence[Curves], *, title: str) -> Drawing:
    """Draw validation and training accuracy and loss, one line per run, in the same colour in every panel.

    The first runs get their own colours and a legend entry, so pass the best ones first.
    """
    pens = [_pen(index) for index in range(len(runs))]
    shapes: list[Shape] = [Text(x=0, y=10, text=title, size=16, bold=True)]
    legend, top = _legend(runs, pens, 38.0)
    shapes += legend
    panels = [
        (name, key, percent) for name, key, percent in (*PANELS, *_others()) if any(_line(run, key) for run in runs)
    ]
    width = (WIDTH - GAP) / 2
    x_range = _x_range([x for _, name, _ in panels for run in runs for x, _ in _line(run, name)])
    for index, (name, key, percent) in enumerate(panels):
        left, panel_top = (index % 2) * (width + GAP), top + (index // 2) * (PANEL + 16)
        thinner = 1.0 if key.startswith("validation") else 0.65  # training is drawn step by step, and noisy
        panel_pens = [replace(pen, width=pen.width * thinner) for pen in pens]
        shapes += _panel(
            name, [_line(run, key) for run in runs], panel_pens, percent, x_range, (left, panel_top, width)
        )
    height = top + math.ceil(len(panels) / 2) * (PANEL + 16)
    return Drawing(width=WIDTH, height=height, label=f"{title}: curves of {len(runs)} runs", shapes=tuple(shapes))


def _others() -> list[tuple[str, str, bool]]:
    """Return the panels of metrics that PANELS does not name."""
    known = {key.partition("_")[2] for _, key, _ in PANELS}
    metrics = [spec(name) for name in DRAWN if name not in known]
    return [(f"Validation {each.title}", f"validation_{each.name}", each.unit == "fraction") for each in metrics]


def _pen(index: int) -> _Pen:
    if index >= NAMED:
        return _Pen(colour="muted", width=0.8)
    return _Pen(colour=COLOURS[index % len(COLOURS)], width=2.2, dashed=index >= len(COLOURS))


def _legend(runs: Sequence[Curves], pens: Sequence[_Pen], top: float) -> tuple[list[Shape], float]:
    """Draw the names of the runs in columns; return the top of the panels."""
    named = list(zip(runs, pens, strict=True))[:NAMED]
    texts = [(shorten(run.name, LONGEST), run.remark) for run, _ in named]
    widest = max(text_width(name, 12) * 1.06 + text_width(extra, 11) * 1.06 for name, extra in texts) + 62
    columns = max(1, min(len(named), int(WIDTH // widest)))
    rows = math.ceil(len(named) / columns)
    shapes: list[Shape] = []
    for index, ((_, pen), (name, extra)) in enumerate(zip(named, texts, strict=True)):
        x, y = (index // rows) * widest, top + 20 * (index % rows)
        shapes.append(Line(points=((x, y), (x + 24, y)), stroke=pen.colour, width=2.6, dashed=pen.dashed))
        shapes.append(Text(x=x + 32, y=y, text=name, size=12))
        shapes.append(remark(x + 40 + text_width(name, 12) * 1.06, y, extra, "start", size=11))
    bottom = top + 20 * rows
    if len(runs) > NAMED:
        shapes.append(remark(0, bottom, f"and {len(runs) - NAMED} more in grey", "start", size=11))
        bottom += 20
    return shapes, bottom + 12


def _panel(
    title: str,
    lines: Sequence[Sequence[Point]],
    pens: Sequence[_Pen],
    percent: bool,
    x_range: Range,
    box: tuple[float, float, float],
) -> list[Shape]:
    """Draw a panel; `box` is (left, top, width)."""
    left, top, width = box
    y_range, log = _y_range(lines, percent)
    panel = Panel(left=left + 48, top=top + 26, width=width - 56, height=PANEL - 70, x=x_range, y=y_range, log=log)
    shapes: list[Shape] = [Text(x=left, y=top + 8, text=title, size=13, bold=True)]
    if log:
        shapes.append(remark(left + width - 8, top + 8, "logarithmic scale", "end"))
    ticks = [t for t in linear_ticks(*x_range, count=max(2, int(width / 45))) if x_range[1] <= 2 or t == round(t)]
    shapes += panel.axes(percent=percent, x_ticks=ticks)
    shapes.append(remark(panel.left + panel.width / 2, panel.top + panel.height + 30, "epoch"))
    order = sorted(range(len(lines)), key=lambda index: -index)  # the best is drawn last, above the others
    for index in order:
        line, pen = lines[index], pens[index]
        if len(line) >= SMOOTHED:
            faint = _drawn(panel, line)
            shapes += [Line(points=part, stroke=pen.colour, width=0.8, opacity=FAINT) for part in faint]
        segments = _drawn(panel, smoothed(line))
        shapes += [Line(points=part, stroke=pen.colour, width=pen.width, dashed=pen.dashed) for part in segments]
        if len(line) == 1 and y_range[0] <= line[0][1] <= y_range[1]:
            shapes.append(Circle(x=panel.across(line[0][0]), y=panel.up(line[0][1]), radius=4.0, fill=pen.colour))
    return shapes


def _drawn(panel: Panel, line: Sequence[Point]) -> list[tuple[Point, ...]]:
    return [tuple((panel.across(x), panel.up(y)) for x, y in part) for part in clipped(_thin(line), *panel.y)]


def smoothed(line: Sequence[Point]) -> list[Point]:
    """Return a line of SMOOTHED points or more smoothed, with Gaussian weights that are cut off evenly at its ends."""
    if len(line) < SMOOTHED:
        return list(line)
    values = np.array([y for _, y in line])
    reach = max(1, round(3 * SPREAD * len(line)))
    means = []
    for index, (x, _) in enumerate(line):
        near = min(reach, index, len(line) - 1 - index)  # as far on both sides, or the ends would lag
        steps = np.arange(-near, near + 1)
        weights = np.exp(-0.5 * (3 * steps / reach) ** 2)
        means.append((x, float(weights @ values[index - near : index + near + 1] / weights.sum())))
    return means


def _line(run: Curves, key: str) -> list[Point]:
    """Return the points of a curve, over epochs."""
    return [(float(row["epoch"]), float(row[key])) for row in run.rows if _finite(row.get(key))]


def _x_range(values: Sequence[Number]) -> Range:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _y_range(lines: Sequence[Sequence[Point]], percent: bool) -> tuple[Range, bool]:
    """Return the ends of the vertical axis, and whether it is logarithmic; the first epochs may be clipped."""
    values = sorted(y for line in lines for _, y in line)
    low, high = values[0], values[-1]
    if percent:  # clip first epochs that would squeeze the rest together, but never the end of a line
        late = min(values[len(values) // 10], *(line[-1][1] for line in lines if line), high)
        low = late if high - low > 3 * (high - late) else low
        margin = max(0.05 * (high - low), 0.002)
        return (max(0.0, low - margin), min(1.0, high + margin)), False
    if low > 0 and high / low > DECADE:
        return (low / 1.15, high * 1.15), True
    margin = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
    return (max(0.0, low - margin) if low >= 0 else low - margin, high + margin), False


def _thin(line: Sequence[Point]) -> Sequence[Point]:
    stride = math.ceil(len(line) / MOST_POINTS)
    return [*line[:-1:stride], *line[-1:]]


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
