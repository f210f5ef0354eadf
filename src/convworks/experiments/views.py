"""Drawings of an experiment: its runs side by side, their curves, and the trials of a search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from convworks.charts.axes import Panel, Range, linear_ticks, log_ticks, number
from convworks.charts.drawing import Circle, Drawing, Line, Rectangle, Shape, Text, remark
from convworks.charts.lettering import Number, shorten
from convworks.metrics.spec import TOP1, MetricSpec, headline, headline_value

WIDTH = 960.0
ROW = 24.0
Point = tuple[Number, Number]
#: Name, value of the metric, and the ends of its interval.
Entry = tuple[str, float, tuple[float, float]]
#: Name, value, and colour of a vertical line.
Mark = tuple[str, float, str]


def scored(result: Mapping[str, Any]) -> tuple[float, Range]:
    """Return the headline metric of a result and its interval; without one, both ends are the value."""
    value, name = headline_value(result), headline(result).name
    low, high = result["interval"] if name == "top1" else result.get("intervals", {}).get(name, (value, value))
    return value, (low, high)


def scores(entries: Sequence[Entry], marks: Sequence[Mark], metric: MetricSpec = TOP1) -> Drawing:
    """Draw values of a metric as dots on their intervals, one per row, with dashed lines at the marks."""
    ends = [end for _, _, interval in entries for end in interval] + [value for _, value, _ in marks]
    low, high = min(ends), max(ends)
    room = 0.05 * (high - low) or 0.01
    across = _within(low - room, high + room, metric)
    percent = metric.unit == "fraction"
    left, top = 150.0, 30.0
    height = top + ROW * len(entries) + 34
    panel = Panel(left=left, top=top, width=WIDTH - left - 90, height=ROW * len(entries), x=across, y=(0, 1))
    bottom = panel.top + panel.height
    shapes: list[Shape] = []
    for tick in linear_ticks(*across, count=7):
        x = panel.across(tick)
        shapes.append(Line(points=((x, top), (x, bottom)), stroke="grid"))
        shapes.append(remark(x, bottom + 14, f"{number(round(100 * tick, 6))} %" if percent else number(tick)))
    for index, (name, value, colour) in enumerate(marks):
        x = panel.across(value)
        shapes.append(Line(points=((x, top - 4), (x, bottom)), stroke=colour, width=1.4, dashed=True))
        key = left + 190 * index
        shapes.append(Line(points=((key, 10), (key + 14, 10)), stroke=colour, width=2.2, dashed=True))
        shapes.append(remark(key + 19, 10, f"{name} {metric.write(value)}", "start", size=11))
    for index, (name, value, interval) in enumerate(entries):
        y = top + ROW * (index + 0.5)
        shapes.append(Text(x=left - 12, y=y, text=shorten(name, 22), anchor="end"))
        shapes.append(Line(points=((panel.across(interval[0]), y), (panel.across(interval[1]), y)), stroke="muted"))
        shapes.append(Circle(x=panel.across(value), y=y, radius=4.5, fill="blue"))
        shapes.append(Text(x=WIDTH - 4, y=y, text=metric.write(value), anchor="end"))
    return Drawing(width=WIDTH, height=height, label=f"{metric.title.capitalize()} of each run", shapes=tuple(shapes))


def overlaid(lines: Mapping[str, Sequence[Point]], best: str, metric: MetricSpec = TOP1) -> Drawing:
    """Draw a validation metric over epochs, a thin line for each run and the best in blue on top."""
    points = [point for line in lines.values() for point in line]
    values = sorted(y for _, y in points)
    low = values[len(values) // 20]  # the first epochs would squeeze the others together
    room = max(0.06 * (values[-1] - low), 0.001)
    ends = _within(low - room, values[-1] + room, metric)
    last = max(x for x, _ in points)
    panel = Panel(left=58, top=14, width=WIDTH - 70, height=250, x=(min(1.0, last - 0.5), last), y=ends)
    shapes = panel.axes(percent=metric.unit == "fraction", x_ticks=_whole(panel.x))
    shapes.append(remark(panel.left + panel.width / 2, 296, "epoch"))
    for name in [*(name for name in lines if name != best), best]:
        line = [(panel.across(x), min(panel.up(y), panel.top + panel.height)) for x, y in lines[name]]
        colour = "blue" if name == best else "muted"
        if len(line) > 1:
            shapes.append(Line(points=tuple(line), stroke=colour, width=2.2 if name == best else 1.0))
        else:
            shapes += [Circle(x=x, y=y, radius=4.0, fill=colour) for x, y in line]
    return Drawing(width=WIDTH, height=304, label=f"Validation {metric.title} of every run", shapes=tuple(shapes))


def _within(low: float, high: float, metric: MetricSpec) -> Range:
    """Return the ends of an axis; for fractions, limited to 0..1."""
    return (max(0.0, low), min(1.0, high)) if metric.unit == "fraction" else (low, high)


def trials(values: Sequence[tuple[int, float, bool]], *, maximise: bool, percent: bool) -> Drawing:
    """Draw each trial (number, value, whether it was pruned), and the best so far as a line."""
    ends, log = _ends([value for _, value, _ in values], percent)
    numbers = (min(n for n, _, _ in values) - 0.5, max(n for n, _, _ in values) + 0.5)
    panel = Panel(left=58, top=34, width=WIDTH - 70, height=250, x=numbers, y=ends, log=log)
    shapes = panel.axes(percent=percent, x_ticks=_whole(panel.x))
    shapes.append(remark(panel.left + panel.width / 2, 316, "trial"))
    best: float | None = None
    line: list[Point] = []
    for trial, value, pruned in values:
        if not pruned and (best is None or (value > best if maximise else value < best)):
            line += [(panel.across(trial), panel.up(best))] if best is not None else []
            best = value
        if best is not None:
            line.append((panel.across(trial), panel.up(best)))
    if len(line) > 1:
        shapes.append(Line(points=tuple(line), stroke="green", width=1.8))
    shapes += [_dot(panel, trial, value, pruned) for trial, value, pruned in values]
    legend = (("blue", "finished"), ("orange", "pruned"), ("green", "best so far"))
    for index, (colour, name) in enumerate(legend):
        shapes.append(Circle(x=62 + 110 * index, y=12, radius=4, fill=colour))
        shapes.append(remark(72 + 110 * index, 12, name, "start", size=11))
    return Drawing(width=WIDTH, height=324, label="Value of each trial", shapes=tuple(shapes))


def slices(fields: Mapping[str, tuple[Sequence[tuple[float | str, float, bool]], bool]], *, percent: bool) -> Drawing:
    """Draw the metric over each field, one panel each: points (field value, metric, pruned), and whether x is log."""
    columns = min(3, len(fields))
    width = (WIDTH - 24 * (columns - 1)) / columns
    shapes: list[Shape] = []
    ends, log = _ends([value for points, _ in fields.values() for _, value, _ in points], percent)
    for index, (name, (points, logarithmic)) in enumerate(fields.items()):
        left, top = (index % columns) * (width + 24), (index // columns) * 250.0
        positions, ticks = _places([x for x, _, _ in points], logarithmic)
        low, high = min([*positions, *ticks]), max([*positions, *ticks])
        room = 0.04 * (high - low) or 0.5
        across = (low - room, high + room)
        panel = Panel(left=left + 50, top=top + 30, width=width - 58, height=170, x=across, y=ends, log=log)
        shapes.append(Text(x=left, y=top + 10, text=shorten(name, 40), bold=True))
        shapes += panel.axes(percent=percent, x_ticks=[])
        for x, text in ticks.items():
            shapes.append(remark(panel.across(x), panel.top + panel.height + 13, shorten(text, 14)))
        shapes += [_dot(panel, x, value, pruned) for x, (_, value, pruned) in zip(positions, points, strict=True)]
    height = 250.0 * math.ceil(len(fields) / columns)
    return Drawing(width=WIDTH, height=height, label="Value over each field", shapes=tuple(shapes))


def bars(shares: Mapping[str, float]) -> Drawing:
    """Draw fractions of a whole as bars, the largest first."""
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    left, width = 300.0, 480.0
    shapes: list[Shape] = []
    for index, (name, share) in enumerate(ordered):
        y = ROW * (index + 0.5)
        shapes.append(Text(x=left - 12, y=y, text=shorten(name, 44), anchor="end"))
        shapes.append(Rectangle(x=left, y=y - 5, width=max(1.0, width * share), height=10, fill="blue", radius=2))
        shapes.append(remark(left + width * share + 8, y, f"{share:.0%}", "start"))
    return Drawing(width=WIDTH, height=ROW * len(ordered), label="Importance of each field", shapes=tuple(shapes))


def _dot(panel: Panel, x: Number, y: Number, pruned: bool) -> Circle:
    return Circle(x=panel.across(x), y=panel.up(y), radius=3.5 if pruned else 4.5, fill="orange" if pruned else "blue")


def _places(values: Sequence[float | str], logarithmic: bool) -> tuple[list[float], dict[float, str]]:
    """Return the positions of values on an axis, and its ticks; choices are spaced evenly."""
    texts = sorted({value for value in values if isinstance(value, str)})
    if texts:
        positions = {text: float(index) for index, text in enumerate(texts)}
        return [positions[str(value)] for value in values], {position: text for text, position in positions.items()}
    numbers = [float(value) for value in values]
    if logarithmic:
        ticks = log_ticks(min(numbers), max(numbers))
        return [math.log10(value) for value in numbers], {math.log10(tick): number(tick) for tick in ticks}
    return numbers, {float(tick): number(tick) for tick in linear_ticks(min(numbers), max(numbers), count=4)}


def _ends(values: Sequence[float], percent: bool) -> tuple[Range, bool]:
    """Return the ends of the vertical axis, and whether it is logarithmic."""
    low, high = min(values), max(values)
    if not percent and low > 0 and high / low > 12:
        return (low / 1.25, high * 1.25), True
    room = 0.06 * (high - low) or 0.02
    return (max(0.0, low - room), min(1.0, high + room) if percent else high + room), False


def _whole(ends: Range) -> list[Number]:
    ticks = [tick for tick in linear_ticks(*ends, count=14) if tick == round(tick)]
    return ticks or [round(ends[1])]
