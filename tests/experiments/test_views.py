"""Figures of experiments stand in their frames, whatever the numbers are."""

from __future__ import annotations

import pytest

from convworks.charts.drawing import Circle, Drawing, Line
from convworks.charts.svg import to_svg
from convworks.experiments import views


def check(drawing: Drawing) -> None:
    assert "nan" not in to_svg(drawing)
    for shape in drawing.shapes:
        points = [(shape.x, shape.y)] if isinstance(shape, Circle) else []
        points += list(shape.points) if isinstance(shape, Line) else []
        for x, y in points:
            assert -1 <= x <= drawing.width + 1
            assert -1 <= y <= drawing.height + 1


@pytest.mark.parametrize("values", [[0.5], [1.0, 1.0], [0.0, 1.0], [0.9, 0.91, 0.95]])
def test_scores(values: list[float]) -> None:
    entries = [(f"seed-{i}", value, (max(0.0, value - 0.1), min(1.0, value + 0.1))) for i, value in enumerate(values)]
    check(views.scores(entries, [("mean", sum(values) / len(values), "blue")]))


@pytest.mark.parametrize("epochs", [1, 2, 40])
def test_overlaid(epochs: int) -> None:
    lines = {
        name: [(float(e), min(1.0, e * 0.01 + bonus)) for e in range(1, epochs + 1)]
        for name, bonus in (("a", 0.0), ("b", 0.1))
    }
    check(views.overlaid(lines, "b"))


@pytest.mark.parametrize("percent", [True, False])
@pytest.mark.parametrize("values", [[0.5], [0.2, 0.2], [0.9, 0.1, 0.5, 0.01]])
def test_trials(values: list[float], percent: bool) -> None:
    points = [(number, value, number == 1) for number, value in enumerate(values)]
    check(views.trials(points, maximise=percent, percent=percent))
    over = [(0.1 * (n + 1), value, pruned) for n, value, pruned in points]
    names = [("adam" if n % 2 else "sgd", value, pruned) for n, value, pruned in points]
    check(
        views.slices({"a": (over, True), "b": (over, False), "c": (names, False), "d": (over, True)}, percent=percent)
    )


def test_bars() -> None:
    check(views.bars({"a": 0.0, "b": 1.0}))


def test_what_stands_for_a_result_has_its_interval() -> None:
    assert views.scored({"top1": 0.5, "interval": [0.4, 0.6], "intervals": {"auc": [0, 1]}}) == (0.5, (0.4, 0.6))
    assert views.scored({"map": 0.5, "intervals": {"map": [0.3, 0.7], "auc": [0, 1]}}) == (0.5, (0.3, 0.7))
    assert views.scored({"map": 0.5}) == (0.5, (0.5, 0.5))
