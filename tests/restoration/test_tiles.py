"""Tiles cover a picture, and are blended without seams."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from convworks.restoration.tiles import blend, divide

SIZES = st.tuples(st.integers(10, 70), st.integers(10, 70))


@given(SIZES, st.integers(12, 40), st.integers(1, 8), st.integers(1, 2))
def test_tiles_of_a_picture_are_blended_to_the_picture(
    size: tuple[int, int], side: int, overlap: int, scale: int
) -> None:
    tiles = divide(size, side, overlap)
    assert len({(tile.height, tile.width) for tile in tiles}) == 1
    assert max(tiles[0].height, tiles[0].width) <= side
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
    first, second = divide((20, 60), 40, 12)
    assert (first.left, first.width, second.left) == (0, 40, 20)
    mixed = blend((20, 60), [first, second], [torch.zeros(1, 1, 20, 40), torch.ones(1, 1, 20, 40)])[0, 0, 5]
    assert mixed[:20].tolist() == [0.0] * 20
    assert mixed[40:].tolist() == [1.0] * 20
    assert bool((mixed.diff() >= 0).all())
    assert float(mixed.diff().max()) < 0.06


def test_a_small_picture_is_one_tile() -> None:
    assert divide((30, 50)) == [(0, 0, 30, 50)]
