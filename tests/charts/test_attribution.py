"""Attributions as drawings: colours by sign and size, their scale, and values that are none."""

from __future__ import annotations

import numpy as np
import pytest

from convworks.charts.attribution import attribution_drawing, image_drawing
from convworks.charts.drawing import Drawing, Picture, Text
from convworks.charts.signed import signed_colours


def pictures(drawing: Drawing) -> list[np.ndarray]:
    return [shape.pixels for shape in drawing.shapes if isinstance(shape, Picture)]


def texts(drawing: Drawing) -> list[str]:
    return [shape.text for shape in drawing.shapes if isinstance(shape, Text)]


def test_signs_are_colours_and_the_scale_names_them() -> None:
    values = np.zeros((4, 6), np.float32)
    values[0, 0], values[3, 5], values[1, 1] = 2.0, -2.0, 1.0
    drawing = attribution_drawing(np.full((4, 6, 1), 100, np.uint8), values, "CAM")
    colours = signed_colours()
    coloured, over, scale = pictures(drawing)
    assert coloured[0, 0, :3].tolist() == colours[254].tolist()
    assert coloured[3, 5, :3].tolist() == colours[0].tolist()
    assert coloured[2, 2, :3].tolist() == [255, 255, 255]
    assert len(set(over[2, 2, :3].tolist())) == 1  # the image alone, in grey
    assert over[0, 0, 0] > over[0, 0, 2]
    assert over[3, 5, 2] > over[3, 5, 0]
    assert scale.shape == (1, 255, 4)
    assert texts(drawing) == ["CAM", "-2", "0", "2"]
    assert drawing.label == "CAM: values from -2 to 2"


@pytest.mark.parametrize("largest", [0.0, 3.5])
def test_magnitudes_begin_at_zero(largest: float) -> None:
    values = np.full((3, 3), largest, np.float32)
    values[0, 0] = np.nan
    drawing = attribution_drawing(np.zeros((3, 3, 3), np.uint8), values, "Gradient")
    coloured, _, scale = pictures(drawing)
    assert coloured[0, 0, :3].tolist() == [255, 255, 255]
    assert scale.shape == (1, 128, 4)
    assert texts(drawing)[1] == "0"


def test_images_keep_their_proportions() -> None:
    drawing = image_drawing(np.zeros((10, 20, 3), np.uint8), "a.png", side=100.0)
    (picture,) = [shape for shape in drawing.shapes if isinstance(shape, Picture)]
    assert (picture.width, picture.height) == (100, 50)
