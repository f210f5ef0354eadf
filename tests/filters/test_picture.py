"""Signed values as colours, and the picture that shows original and result beside each other."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from convworks.charts.signed import signed_colours, signed_picture, signed_scale, strongest
from convworks.filters.picture import Caption, Colours, side_by_side

CAPTION = Caption(
    image="a very long name of a photograph, longer than any place that there may be for it in the picture.jpg",
    before="20x10",
    kernel="Кернел 核",
    after="20x10",
    shows=["words " * 30],
    values=["values"],
)


def test_blue_is_negative_white_zero_orange_positive() -> None:
    values = np.array([[-5, -1, 0, 0.5, 1, 7]], np.float32)
    colours = np.asarray(signed_picture(values, 1.0).convert("RGB"))[0]
    assert colours[0].tolist() == colours[1].tolist() == [0x1F, 0x6F, 0xB2]
    assert colours[2].tolist() == [255, 255, 255]
    assert colours[4].tolist() == colours[5].tolist() == [0xD4, 0x5F, 0x00]
    red, _, blue = colours[3].astype(int)
    assert red > blue > 0


def test_colours_fade_evenly_to_white() -> None:
    table = signed_colours().astype(int)
    assert table.shape == (255, 3)
    brightness = table.sum(1)
    assert (np.diff(brightness[:128]) >= 0).all()
    assert (np.diff(brightness[127:]) <= 0).all()


def test_scale_is_the_largest_value_or_one_that_most_are_within() -> None:
    few = np.array([[-1, 1.2], [0.3, 0.1]], np.float32)
    assert signed_scale(few, 1.2) == pytest.approx(1.2)
    assert signed_scale(np.zeros((4, 4), np.float32), 0.0) == 1
    many = np.full((1000, 1000), 2, np.float32)
    many[500, 500] = -1000
    assert signed_scale(many, 1000.0) == 2
    sparse = np.zeros((1000, 1000), np.float32)
    sparse[3, 3] = -7
    assert signed_scale(sparse, 7.0) == 7


def test_shrinking_keeps_the_strongest_of_each_square() -> None:
    values = np.zeros((7, 9), np.float32)
    values[1, 1], values[0, 0], values[5, 7] = -1, 0.5, 1
    small = np.asarray(strongest(signed_picture(values, 1.0), 3).convert("RGB"))
    assert small.shape == (2, 3, 3)
    assert small[0, 0].tolist() == [0x1F, 0x6F, 0xB2]
    assert small[1, 2].tolist() == [0xD4, 0x5F, 0x00]
    assert (small[0, 1:] == 255).all()


@pytest.mark.parametrize("size", [(2, 2), (28, 28), (500, 300), (3000, 2), (2, 3000), (3000, 40), (1700, 1700)])
@pytest.mark.parametrize("stride", [1, 2])
def test_every_size_fits(size: tuple[int, int], stride: int) -> None:
    original = Image.new("L", size, 128)
    values = np.ones((-(-size[1] // stride), -(-size[0] // stride)), np.float32)
    colours = Colours(scale=1.0, lowest=-2.0, highest=1.0)
    for weights in (np.ones((3, 3)) / 9, np.full((7, 7), 1 / 7), np.ones((101, 101)), np.array([[np.pi, -np.e]])):
        sheet = side_by_side(original, signed_picture(values, 1.0), weights, stride, CAPTION, colours)
        assert sheet.width <= 1600
        assert sheet.height <= 1600
        colours_of = np.asarray(sheet).reshape(-1, 3)
        assert (colours_of == [0xD4, 0x5F, 0x00]).all(1).sum() >= values.size // 100
    assert signed_scale(values, 1.0) == 1
