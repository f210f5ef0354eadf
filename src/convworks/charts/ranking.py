"""ROC and precision-recall curves as one drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from convworks.charts.axes import Panel
from convworks.charts.drawing import Drawing, Line, Shape, Text, remark, row
from convworks.charts.lettering import fit
from convworks.metrics.ranking import GRID, RankingCurve, ranking_curve

#: Up to this many classes, each has its own curve; above, only their mean is drawn.
APART = 10
COLOURS = ("blue", "orange", "green", "violet", "teal", "rose", "ochre", "brown", "ink", "muted")
#: If all curves stay within such a corner, only the corner is drawn.
CORNERS = (0.01, 0.1)
SIDE, TOP, LEFT, GAP, ROW, KEY = 268.0, 34.0, 46.0, 24.0, 24.0, 260.0


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The curves of the classes that have positive and negative samples, at GRID, with area and average precision.

    `stairs` are the corners of the ROC curves, as (false positive rate, true positive rate).
    """

    classes: tuple[str, ...]
    roc: Float64[np.ndarray, "k grid"]
    precision: Float64[np.ndarray, "k grid"]
    stairs: tuple[Float64[np.ndarray, "_ 2"], ...]
    areas: Float64[np.ndarray, " k"]
    average_precisions: Float64[np.ndarray, " k"]
    #: Number of all classes, including those without samples.
    total: int

    @property
    def apart(self) -> bool:
        """Return whether every class has its own curve."""
        return self.total <= APART


def ranking(
    classes: Sequence[str], scores: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]
) -> Ranking | None:
    """Return the curves of a split; None if no class has positives and negatives, or all are ranked perfectly."""
    curves: list[tuple[int, RankingCurve]] = []
    for index, pair in enumerate(zip(scores.T, labels.T, strict=True)):
        curve = ranking_curve(*pair)
        if curve.defined:
            curves.append((index, curve))
    if all(curve.area == 1 for _, curve in curves):
        return None
    return Ranking(
        classes=tuple(classes[index] for index, _ in curves),
        roc=np.stack([curve.roc() for _, curve in curves]),
        precision=np.stack([curve.precision_at_recall() for _, curve in curves]),
        stairs=tuple([curve.stairs() for _, curve in curves]),
        areas=np.array([curve.area for _, curve in curves]),
        average_precisions=np.array([curve.average_precision for _, curve in curves]),
        total=len(classes),
    )


def draw(ranking_curves: Ranking) -> Drawing:
    """Draw the `panels` side by side."""
    label = f"ROC and precision-recall curves, mean area {float(ranking_curves.areas.mean()):.4f}"
    return row(panels(ranking_curves), GAP, label)


def panels(ranking_curves: Ranking) -> list[Drawing]:
    """Draw both kinds of curve, and a key: one curve per class, or their mean if there are many."""
    lines = _lines(ranking_curves)
    extent = zoom(ranking_curves)
    left = Panel(left=LEFT, top=TOP, width=SIDE, height=SIDE, x=(0, extent), y=(1 - extent, 1))
    right = Panel(left=LEFT, top=TOP, width=SIDE, height=SIDE, x=(1 - extent, 1), y=(1 - extent, 1))
    corner = "" if extent == 1 else ", the corner"
    first, second = (
        _axes(left, f"True positives{corner}", "false positive rate"),
        _axes(right, f"Precision{corner}", "recall (true positive rate)"),
    )
    if extent == 1:
        diagonal = ((left.across(0), left.up(0)), (left.across(1), left.up(1)))
        first.append(Line(points=diagonal, stroke="muted", dashed=True))
    for index, (_, colour, roc, precision, _, _) in reversed(list(enumerate(lines))):
        x, y = ranking_curves.stairs[index].T if ranking_curves.apart else (GRID, roc)
        first.append(_curve(left, x, y, colour, rising=True))
        second.append(_curve(right, GRID, precision, colour))
    size = {"width": LEFT + SIDE + 12, "height": TOP + SIDE + 40}
    key_height = TOP + (len(lines) + 1) * ROW
    return [
        Drawing(label="ROC curves", shapes=tuple(first), **size),
        Drawing(label="precision-recall curves", shapes=tuple(second), **size),
        Drawing(label="classes", shapes=tuple(_key(lines)), width=KEY, height=key_height),
    ]


def _axes(panel: Panel, title: str, axis_title: str) -> list[Shape]:
    """Draw the axes of a panel, both in per cent."""
    shapes: list[Shape] = [Text(x=panel.left - 40, y=10, text=title, size=13, bold=True)]
    shapes += panel.axes(percent=True, x_ticks=[])
    for fraction in (0.0, 0.5, 1.0):
        value = panel.x[0] + fraction * (panel.x[1] - panel.x[0])
        anchor = "end" if fraction == 1 else "middle"
        across = panel.across(value) + (10 if fraction == 1 else 0)
        shapes.append(remark(across, panel.top + SIDE + 13, f"{round(100 * value, 6):g} %", anchor))
    shapes.append(remark(panel.left + SIDE / 2, panel.top + SIDE + 31, axis_title))
    return shapes


Drawn = tuple[str, str, np.ndarray, np.ndarray, float, float]


def _lines(ranking_curves: Ranking) -> list[Drawn]:
    """Return name, colour, both curves, area and average precision of each line."""
    areas, precisions = ranking_curves.areas, ranking_curves.average_precisions
    if not ranking_curves.apart:
        name = f"mean of {len(ranking_curves.classes):,}"
        means = float(areas.mean()), float(precisions.mean())
        return [(name, "blue", ranking_curves.roc.mean(0), ranking_curves.precision.mean(0), *means)]
    rows = zip(
        ranking_curves.classes,
        COLOURS,
        ranking_curves.roc,
        ranking_curves.precision,
        areas.tolist(),
        precisions.tolist(),
        strict=False,
    )
    return list(rows)


def zoom(ranking_curves: Ranking) -> float:
    """Return the fraction of the axes to draw: 1, or that of a corner that all curves pass through."""
    return next((corner for corner in CORNERS if _within(ranking_curves, corner)), 1.0)


def _within(ranking_curves: Ranking, corner: float) -> bool:
    """Return whether all drawn curves pass through a corner of both panels."""
    corner_index, least = int(np.searchsorted(GRID, corner - 1e-9)), 1 - corner
    curves = [(roc, precision) for _, _, roc, precision, _, _ in _lines(ranking_curves)]
    recall_index = int(np.searchsorted(GRID, least - 1e-9))
    return all(roc[corner_index] >= least and precision[recall_index] >= least for roc, precision in curves)


def _curve(panel: Panel, x: np.ndarray, y: np.ndarray, colour: str, *, rising: bool = False) -> Line:
    """Draw a curve clipped at the bottom of its panel, without collinear points."""
    inside = (x >= panel.x[0] - 1e-9) & (x <= panel.x[1] + 1e-9)
    x, y = x[inside], y[inside]
    if x[-1] < panel.x[1]:  # stairs go on beyond the panel
        x, y = np.append(x, panel.x[1]), np.append(y, y[-1])
    below = np.flatnonzero(y < panel.y[0])
    if len(below):
        visible = slice(int(below[-1]), None) if rising else slice(0, int(below[0]) + 1)
        x, y = x[visible], y[visible]
    points = panel.curve(x, y.clip(*panel.y))
    if rising and points[0, 1] < panel.up(panel.y[0]):
        points = np.insert(points, 0, (points[0, 0], panel.up(panel.y[0])), 0)  # true positives at zero false positives
    corners = points[_turns(points)].tolist()
    return Line(points=tuple((across, up) for across, up in corners), stroke=colour, width=2)


def _turns(points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
    """Mark the points of a line that are not collinear with their neighbours; the ends always count."""
    x, y = points.T
    area = np.diff(y)[1:] * np.diff(x)[:-1] - np.diff(y)[:-1] * np.diff(x)[1:]
    turns = np.ones(len(points), bool)
    turns[1:-1] = abs(area) >= 1e-3
    return turns


def _key(lines: Sequence[Drawn]) -> list[Shape]:
    """Draw the key: names with area and average precision."""
    columns = ((KEY - 84, "ROC area"), (KEY, "avg. precision"))
    shapes: list[Shape] = [remark(x, TOP, name, "end") for x, name in columns]
    for index, (name, colour, _, _, *values) in enumerate(lines):
        y, text = TOP + (index + 1) * ROW, fit(name, 12, KEY - 150)
        shapes.append(Line(points=((0, y), (14, y)), stroke=colour, width=2.5))
        shapes.append(Text(x=20, y=y, text=text, size=12, fallback=f"#{index}"))
        for (x, _), value in zip(columns, values, strict=True):
            shapes.append(Text(x=x, y=y, text=f"{value:.4f}", size=12, anchor="end"))
    return shapes
