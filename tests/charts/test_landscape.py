"""Landscapes with values that have no logarithm."""

from __future__ import annotations

import numpy as np
import pytest

from convworks.charts.drawing import PALETTE, Drawing, Picture, Text
from convworks.charts.landscape import Path, surface
from convworks.charts.lettering import room

GREY = list(bytes.fromhex(PALETTE["muted"][1:]))
LINE = (-1.0, 0.0, 1.0)


def drawn(loss: list[list[float]]) -> Drawing:
    return surface(LINE, LINE[: len(loss)], np.array(loss), title="loss", note="", axes=("x", "y"))


def test_a_loss_of_0_is_pale_and_what_is_not_finite_grey() -> None:
    drawing = drawn([[0.0, 0.1, 1.0], [-0.2, np.inf, np.nan]])
    (picture,) = [shape for shape in drawing.shapes if isinstance(shape, Picture)]
    below, above = picture.pixels[1], picture.pixels[0]
    assert below[0].tolist() == below[1].tolist() == above[0].tolist()  # 0 and -0.2 as the smallest above 0
    assert below[2, 3] > below[1, 3]
    assert [above[place, :3].tolist() == GREY for place in range(3)] == [False, True, True]
    assert "loss from -0.2 to 1" in texts(drawing)


@pytest.mark.parametrize("value", [np.nan, 0.0, 2.0])
def test_a_loss_without_an_extent(value: float) -> None:
    drawing = drawn([[value] * 3] * 3)
    assert ("no finite loss" in texts(drawing)) == bool(np.isnan(value))


@pytest.mark.parametrize("positions", [[[0.9, 0.0], [0.0, 0.5], [-0.9, -0.5]], [[-0.9, 0.0], [0.0, 0.5], [0.95, 1.0]]])
def test_both_ends_of_a_path_are_named_inside_the_plane(positions: list[list[float]]) -> None:
    path = Path(steps=[5, 10, 1500], positions=np.array(positions), true=[3.0, 2.0, 1.0], projected=[3.0, 2.0, 1.0])
    loss = np.array([[1.0, 2.0, 3.0]] * 3)
    drawing = surface(LINE, LINE, loss, title="loss", note="", axes=("x", "y"), path=path)
    (plane,) = [shape for shape in drawing.shapes if isinstance(shape, Picture)]
    ends = [shape for shape in drawing.shapes if isinstance(shape, Text) and shape.text.startswith("step ")]
    assert [end.text for end in ends] == ["step 5", "step 1,500"]
    for end in ends:
        wide = room(end.text, end.size)
        left = end.x if end.anchor == "start" else end.x - wide
        assert plane.x < left < left + wide < plane.x + plane.width


def texts(drawing: Drawing) -> str:
    return " ".join(shape.text for shape in drawing.shapes if isinstance(shape, Text))
