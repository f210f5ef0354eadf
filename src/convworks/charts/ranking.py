"""The receiver operating characteristic and precision over recall as one drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from convworks.charts.axes import Panel
from convworks.charts.drawing import Drawing, Line, Shape, Text, remark
from convworks.charts.lettering import Number, fit
from convworks.metrics.ranking import GRID, RankingCurve, ranking_curve

#: Up to so many classes each has a curve of its own; above, their mean is drawn alone.
APART = 10
COLOURS = ("blue", "orange", "green", "violet", "teal", "rose", "ochre", "brown", "ink", "muted")
#: Where all curves stay within such a corner, it alone is drawn.
CORNERS = (0.01, 0.1)
WIDTH, SIDE, TOP, LEFT, GAP, ROW = 960.0, 268.0, 34.0, 46.0, 66.0, 24.0


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The curves of the classes that have samples and others, read off at GRID, with area and average precision."""

    classes: tuple[str, ...]
    roc: Float64[np.ndarray, "k grid"]
    precision: Float64[np.ndarray, "k grid"]
    areas: Float64[np.ndarray, " k"]
    average_precisions: Float64[np.ndarray, " k"]
    #: Of all classes of the network that are asked for, also those without samples.
    total: int

    @property
    def apart(self) -> bool:
        """Whether every class has a curve of its own."""
        return self.total <= APART


def ranking(
    classes: Sequence[str], scores: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]
) -> Ranking | None:
    """Return the curves of a split; None where no class has both samples of it and others, or all stand first."""
    found: list[tuple[int, RankingCurve]] = []
    for at, pair in enumerate(zip(scores.T, labels.T, strict=True)):
        curve = ranking_curve(*pair)
        if curve.defined:
            found.append((at, curve))
    if all(curve.area == 1 for _, curve in found):
        return None
    return Ranking(
        classes=tuple(classes[at] for at, _ in found),
        roc=np.stack([curve.roc() for _, curve in found]),
        precision=np.stack([curve.precision_at_recall() for _, curve in found]),
        areas=np.array([curve.area for _, curve in found]),
        average_precisions=np.array([curve.average_precision for _, curve in found]),
        total=len(classes),
    )


def draw(found: Ranking) -> Drawing:
    """Draw both kinds of curve side by side, with a key: a curve a class, or their mean where there are many."""
    lines = _lines(found)
    extent = zoom(found)
    left = Panel(left=LEFT, top=TOP, width=SIDE, height=SIDE, x=(0, extent), y=(1 - extent, 1))
    right = Panel(left=LEFT + SIDE + GAP, top=TOP, width=SIDE, height=SIDE, x=(1 - extent, 1), y=(1 - extent, 1))
    corner = "" if extent == 1 else ", the corner"
    shapes: list[Shape] = []
    for panel, title, below in (
        (left, f"True positives{corner}", "false positive rate"),
        (right, f"Precision{corner}", "recall (true positive rate)"),
    ):
        shapes.append(Text(x=panel.left - 40, y=10, text=title, size=13, bold=True))
        shapes += panel.axes(percent=True, x_ticks=[])
        for share in (0.0, 0.5, 1.0):
            value = panel.x[0] + share * (panel.x[1] - panel.x[0])
            shapes.append(remark(panel.across(value), panel.top + SIDE + 13, f"{round(100 * value, 6):g} %"))
        shapes.append(remark(panel.left + SIDE / 2, panel.top + SIDE + 31, below))
    if extent == 1:
        shapes.append(
            Line(points=((left.across(0), left.up(0)), (left.across(1), left.up(1))), stroke="muted", dashed=True)
        )
    for _, colour, roc, precision, _, _ in reversed(lines):
        shapes += [_curve(left, GRID, roc, colour, rising=True), _curve(right, GRID, precision, colour)]
    shapes += _key(lines, right.left + SIDE + 44)
    label = f"ROC and precision-recall curves, mean area {float(found.areas.mean()):.4f}"
    return Drawing(width=WIDTH, height=TOP + SIDE + 40, label=label, shapes=tuple(shapes))


Drawn = tuple[str, str, np.ndarray, np.ndarray, float, float]


def _lines(found: Ranking) -> list[Drawn]:
    """Return name, colour, both curves, area and average precision of each line; the best class last."""
    areas, precisions = found.areas, found.average_precisions
    if not found.apart:
        name = f"mean of {len(found.classes):,}"
        means = float(areas.mean()), float(precisions.mean())
        return [(name, "blue", found.roc.mean(0), found.precision.mean(0), *means)]
    rows = zip(found.classes, COLOURS, found.roc, found.precision, areas.tolist(), precisions.tolist(), strict=False)
    return list(rows)


def zoom(found: Ranking) -> float:
    """Return how much of the axes is drawn: all, or a corner that all curves pass through."""
    return next((corner for corner in CORNERS if _within(found, corner)), 1.0)


def _within(found: Ranking, corner: float) -> bool:
    """Whether all curves that are drawn pass through a corner of both panels."""
    at, least = int(np.searchsorted(GRID, corner - 1e-9)), 1 - corner
    curves = [(roc, precision) for _, _, roc, precision, _, _ in _lines(found)]
    before = int(np.searchsorted(GRID, least - 1e-9))
    return all(roc[at] >= least and precision[before] >= least for roc, precision in curves)


def _curve(panel: Panel, x: np.ndarray, y: np.ndarray, colour: str, *, rising: bool = False) -> Line:
    """Draw a curve within its panel, from or to where it crosses the bottom, without points on a straight line."""
    inside = (x >= panel.x[0] - 1e-9) & (x <= panel.x[1] + 1e-9)
    x, y = x[inside], y[inside]
    below = np.flatnonzero(y < panel.y[0])
    if len(below):
        shown = slice(int(below[-1]), None) if rising else slice(0, int(below[0]) + 1)
        x, y = x[shown], y[shown]
    points = panel.curve(x, y.clip(*panel.y))
    if rising and points[0, 1] < panel.up(panel.y[0]):
        points = np.insert(points, 0, (points[0, 0], panel.up(panel.y[0])), 0)  # what is found without false positives
    kept = points[_turns(points)].tolist()
    return Line(points=tuple((across, up) for across, up in kept), stroke=colour, width=2)


def _turns(points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
    """Say which points of a line are its ends or lie beside the straight line between their neighbours."""
    x, y = points.T
    area = np.diff(y)[1:] * np.diff(x)[:-1] - np.diff(y)[:-1] * np.diff(x)[1:]
    turns = np.ones(len(points), bool)
    turns[1:-1] = abs(area) >= 1e-3
    return turns


def _key(lines: Sequence[Drawn], left: Number) -> list[Shape]:
    """Name the lines, with area and average precision."""
    ends = ((WIDTH - 84, "ROC area"), (WIDTH, "avg. precision"))
    shapes: list[Shape] = [remark(x, TOP, name, "end") for x, name in ends]
    for at, (name, colour, _, _, *values) in enumerate(lines):
        y, text = TOP + (at + 1) * ROW, fit(name, 12, WIDTH - 150 - left - 20)
        shapes.append(Line(points=((left, y), (left + 14, y)), stroke=colour, width=2.5))
        shapes.append(Text(x=left + 20, y=y, text=text, size=12, fallback=f"#{at}"))
        for (x, _), value in zip(ends, values, strict=True):
            shapes.append(Text(x=x, y=y, text=f"{value:.4f}", size=12, anchor="end"))
    return shapes
