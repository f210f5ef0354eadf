"""Tiles cover a picture, and are blended without seams."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from convworks.restoration.tiles import blend, divide, incomplete

SIZES = st.tuples(st.integers(10, 70), st.integers(10, 70))


@given(SIZES, st.integers(12, 40), st.integers(1, 8), st.integers(1, 2))
def test_tiles_of_a_picture_are_blended_to_the_picture(
    size: tuple[int, int], side: int, overlap: int, scale: int
) -> None:
    tiles = divide(size, scale, side=side * scale, overlap=overlap * scale)
    assert len({(tile.height, tile.width) for tile in tiles}) == 1
    assert max(tiles[0].height, tiles[0].width) <= side
    for axis, length in ((0, size[0]), (1, size[1])):
        starts = sorted({tile[axis] for tile in tiles})
        part = tiles[0][2 + axis]
        shared = len(starts) * part - length
        assert (len(starts) - 1) * overlap <= shared < (len(starts) - 1) * overlap + len(starts)
        assert all(after - before <= part - overlap for before, after in pairwise(starts))
    image = torch.rand(1, 2, size[0] * scale, size[1] * scale)
    parts = [
        image[
            :,
            :,
            tile.top * scale : (tile.top + tile.height) * scale,
            tile.left * scale : (tile.left + tile.width) * scale,
        ]
        for tile in tiles
    ]
    assert torch.allclose(blend(size, tiles, parts, scale), image, atol=1e-6)


def test_neighbours_overlap_and_change_into_each_other() -> None:
    first, second = divide((20, 60), side=40, overlap=12)
    assert (first.left, first.width, second.left) == (0, 36, 24)
    mixed = blend((20, 60), [first, second], [torch.zeros(1, 1, 20, 36), torch.ones(1, 1, 20, 36)])[0, 0, 5]
    assert mixed[:24].tolist() == [0.0] * 24
    assert mixed[36:].tolist() == [1.0] * 24
    assert bool((mixed.diff() >= 0).all())
    assert float(mixed.diff().max()) < 0.1


def test_a_small_picture_is_one_tile() -> None:
    assert divide((30, 50)) == [(0, 0, 30, 50)]


def test_a_picture_somewhat_larger_than_a_tile_costs_little_more_than_its_pixels() -> None:
    assert divide((600, 800)) == [(0, 0, 600, 432), (0, 368, 600, 432)]
    assert divide((150, 200), 4) == [(0, 0, 150, 108), (0, 92, 150, 108)]


def test_tiles_with_missing_pixels_are_those_to_restore() -> None:
    known = np.ones((60, 60), dtype=bool)
    known[50, 55] = False
    tiles = divide((60, 60), side=40, overlap=12)
    assert incomplete(tiles, (60, 60), known) == [3]
    assert incomplete(divide((30, 30), side=20, overlap=6), (30, 30), known) == [3]
    assert incomplete(tiles, (60, 60), None) == [0, 1, 2, 3]
