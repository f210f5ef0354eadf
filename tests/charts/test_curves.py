"""Curves of a run."""

from __future__ import annotations

import pytest

from convworks.charts.curves import LETTER, LOSS_CHART, panels
from convworks.charts.drawing import Text


@pytest.mark.parametrize("scores", [(0.3958, 0.4097), (0.0, 1.0), (0.99912, 0.99934)])
def test_labels_of_the_y_axis_are_not_cut(scores: tuple[float, float]) -> None:
    history = [
        {"epoch": epoch, "train_loss": 1.5, "validation_loss": 1.2, "validation_top1": score, "learning_rate": 0.1}
        for epoch, score in enumerate(scores, start=1)
    ]
    labels = [
        shape
        for drawing in panels(history)
        for shape in drawing.shapes
        if isinstance(shape, Text) and shape.anchor == "end" and shape.text.endswith("%")
    ]
    assert labels
    for label in labels:
        assert label.x - 5.9 * len(label.text) >= 0, label.text


def test_the_last_label_of_the_horizontal_axis_is_not_cut_off() -> None:
    history = [{"iteration": n, "train_loss": 1.0 / n} for n in range(10, 151, 10)]
    (drawing,) = panels(history, shown=[LOSS_CHART])
    label = next(shape for shape in drawing.shapes if isinstance(shape, Text) and shape.text == "150")
    assert label.x + LETTER * len("150") / 2 <= drawing.width
