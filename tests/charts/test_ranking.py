"""ROC curves are stairs: each sample moves them up or to the right."""

from __future__ import annotations

import numpy as np
import pytest

from convworks.charts.drawing import Line
from convworks.charts.ranking import panels, ranking
from convworks.metrics.ranking import MOST_CORNERS, ranking_curve


def test_a_roc_curve_has_a_step_for_each_sample() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2 == 0
    curves = ranking(["bees"], (labels + rng.normal(size=60))[:, None], labels[:, None])
    assert curves is not None
    roc = panels(curves)[0]
    (line,) = [shape for shape in roc.shapes if isinstance(shape, Line) and shape.stroke == "blue"]
    steps = np.diff(line.points, axis=0)
    assert len(steps) > 10
    assert (np.abs(steps).min(1) < 1e-6).all()  # each is vertical or horizontal


@pytest.mark.parametrize("n", [50, 20_000])
def test_stairs_have_the_area_of_the_curve_and_not_more_corners_than_can_be_seen(n: int) -> None:
    rng = np.random.default_rng(1)
    labels = rng.random(n) < 0.4
    curve = ranking_curve(labels + rng.normal(size=n), labels)
    x, y = curve.stairs().T
    assert float(np.trapezoid(y, x)) == pytest.approx(curve.area, abs=1e-3)
    assert len(x) <= 2 * MOST_CORNERS
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
