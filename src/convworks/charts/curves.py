"""Training curves: loss, accuracy (or mAP and exact match, or PSNR) and learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from convworks.charts.axes import Panel, Range, linear_ticks, number, y_labels
from convworks.charts.drawing import Circle, Drawing, Line, Shape, Text, remark, row
from convworks.charts.lettering import Number
from convworks.metrics.spec import DRAWN, MetricSpec, spec

Point = tuple[Number, Number]
#: Longer series are subsampled: more points than pixels add nothing.
MOST_POINTS = 400
#: The width of at most COLUMNS panels side by side; a page wraps more, and each keeps room for its key.
WIDTH, HEIGHT, GAP, COLUMNS = 960.0, 300.0, 28.0, 3
LETTER = 6.4  # width of a letter of a label, at most


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of a panel: the values of one key of the history rows."""

    key: str
    name: str
    colour: str
    best: Any = None  # min or max: marks that point, unless another epoch was kept


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One panel: its title and series; `percent` formats fractions as percentages."""

    title: str
    series: tuple[Series, ...]
    percent: bool = False


LOSS_CHART = Chart(
    title="Loss",
    series=(
        Series(key="train_loss", name="training", colour="muted"),
        Series(key="validation_loss", name="validation", colour="blue", best=min),
    ),
)
RATE_CHART = Chart(title="Learning rate", series=(Series(key="learning_rate", name="last", colour="muted"),))


def charts() -> list[Chart]:
    """Return the panels that there may be: the loss, the metrics that are drawn, the learning rate."""
    return [LOSS_CHART, *(metric_chart(spec(name)) for name in DRAWN), RATE_CHART]


def metric_chart(metric: MetricSpec) -> Chart:
    """Return the panel of a metric: on training images where it is measured, on validation with its best value."""
    title = (metric.heading or metric.title).partition(" (")[0]
    return Chart(
        title=title[0].upper() + title[1:] + (" (dB)" if metric.unit == "dB" else ""),
        percent=metric.unit == "fraction",
        series=(
            Series(key=f"train_{metric.name}", name="training", colour="muted"),
            Series(
                key=f"validation_{metric.name}",
                name="validation",
                colour="blue",
                best=max if metric.better == "higher" else min,
            ),
        ),
    )


def curves(history: Sequence[Mapping[str, Any]], *, kept: int | None = None) -> Drawing:
    """Draw the `panels` of the history rows side by side."""
    drawings = panels(history, kept=kept)
    return row(drawings, GAP, f"Curves of training: {', '.join(drawing.label for drawing in drawings)}")


def panels(
    history: Sequence[Mapping[str, Any]], *, kept: int | None = None, shown: Sequence[Chart] | None = None
) -> list[Drawing]:
    """Draw the history rows, a drawing for each chart that has values: those `shown`, or of all `charts`.

    Rows may contain epoch, iteration or step (the row number is the default) and the keys of the charts; missing and
    non-finite values are skipped. Lines with a best value mark the epoch that was `kept`, or each its best one if None.
    """
    axis = next((name for name in ("epoch", "iteration") if any(_finite(row.get(name)) for row in history)), "step")
    drawn = [(chart, lines) for chart in shown or charts() if (lines := _lines(chart, history, axis))]
    if not drawn:
        message = remark(WIDTH / 2, 40, "No training history was recorded.", size=13)
        return [Drawing(width=WIDTH, height=80, label="No history", shapes=(message,))]
    columns = min(len(drawn), COLUMNS)
    width = (WIDTH - GAP * (columns - 1)) / columns
    return [
        Drawing(
            width=width,
            height=HEIGHT,
            label=f"{chart.title.lower()} over {axis}s",
            shapes=tuple(_panel(chart, lines, axis, width, kept if axis != "step" else None)),
        )
        for chart, lines in drawn
    ]


def _panel(
    chart: Chart, lines: list[tuple[Series, list[Point]]], axis: str, width: Number, kept: int | None
) -> list[Shape]:
    points = [point for _, line in lines for point in line]
    y_range, log = _range([y for _, y in points], percent=chart.percent)
    x_range = (min(x for x, _ in points), max(x for x, _ in points))
    ticks = linear_ticks(*x_range, count=max(2, int(width / 45)))
    if x_range[1] > 2:
        ticks = [tick for tick in ticks if tick == round(tick)]
    if x_range[0] == x_range[1]:
        ticks, x_range = [x_range[0]], (x_range[0] - 0.5, x_range[1] + 0.5)
    longest = max((len(text) for _, text in y_labels(y_range, log=log, percent=chart.percent)), default=0)
    left = max(46, 8 + LETTER * longest)
    right = max(8.0, LETTER * len(number(ticks[-1])) / 2 if ticks else 0.0)  # half of the last label is beyond the axis
    panel = Panel(left=left, top=52, width=width - left - right, height=HEIGHT - 94, x=x_range, y=y_range, log=log)
    shapes: list[Shape] = [Text(x=0, y=10, text=chart.title, size=14, bold=True)]
    if log:
        shapes.append(remark(width - 8, 10, "logarithmic scale" if width > 220 else "log scale", "end"))
    shapes += panel.axes(percent=chart.percent, x_ticks=ticks)
    shapes.append(remark(panel.left + panel.width / 2, HEIGHT - 8, axis))
    key_left = 0.0
    for series, line in lines:
        positions = tuple((panel.across(a), panel.up(b)) for a, b in _thin(line))
        if len(positions) > 1:
            shapes.append(Line(points=positions, stroke=series.colour, width=2.2 if series.best else 1.6))
        marked = _marked(series, line, kept)
        if series.best or len(line) == 1:
            x, y = panel.across(marked[0]), panel.up(marked[1])
            shapes.append(Circle(x=x, y=y, radius=4.5, fill=series.colour))
        value = f"{100 * line[-1][1]:.2f} %" if chart.percent else number(float(f"{line[-1][1]:.3g}"))
        label = f"{series.name} {value}"
        shapes.append(Line(points=((key_left, 30), (key_left + 14, 30)), stroke=series.colour, width=2.2))
        shapes.append(remark(key_left + 19, 30, label, "start", size=11))
        key_left += min(136, (width - 8) / len(lines))
    return shapes


def _marked(series: Series, line: list[Point], kept: int | None) -> Point:
    """Return the point of a line that is marked: that of the epoch kept, else the best, else the last."""
    of_kept = next((point for point in line if point[0] == kept), None)
    if series.best is None or of_kept is not None:
        return of_kept or line[-1]
    best: Point = series.best(line, key=lambda point: point[1])
    return best


def _lines(chart: Chart, history: Sequence[Mapping[str, Any]], axis: str) -> list[tuple[Series, list[Point]]]:
    lines = []
    for series in chart.series:
        line = []
        for index, values in enumerate(history, 1):
            x, y = values.get(axis), values.get(series.key)
            if _finite(y):
                line.append((float(x) if _finite(x) else float(index), float(y)))
        if line:
            lines.append((series, line))
    return lines


def _range(values: list[Number], *, percent: bool) -> tuple[Range, bool]:
    """Return the ends of the vertical axis, and whether it is logarithmic (if the values span more than a decade)."""
    low, high = min(values), max(values)
    if percent:
        room = max(0.06 * (high - low), 0.001)
        return (max(0.0, low - room), min(1.0, high + room)), False
    if low > 0 and high / low > 12:
        return (low / 1.25, high * 1.25), True
    room = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return (max(0.0, low - room) if low >= 0 else low - room, high + room), False


def _thin(line: list[Point]) -> list[Point]:
    stride = math.ceil(len(line) / MOST_POINTS)
    return [*line[:-1:stride], line[-1]]


def _finite(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and math.isfinite(value)
