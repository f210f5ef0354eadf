from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convworks.data.decode.statistics import Sums, mean_std


@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 99),
)
def test_mean_std_is_exact(shape: tuple[int, int, int, int], seed: int) -> None:
    images = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))
    mean, std = mean_std(images)
    values = images.numpy() / 255
    np.testing.assert_allclose(mean, values.mean((0, 2, 3)), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(std, values.std((0, 2, 3)), rtol=1e-9, atol=1e-9)
    assert mean_std(images.to(memory_format=torch.channels_last)) == (mean, std)


def test_mean_std_over_several_pieces() -> None:
    images = torch.randint(0, 256, (2000, 3, 17, 19), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = mean_std(images)
    values = images.double() / 255
    np.testing.assert_allclose(mean, values.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, values.std((0, 2, 3), correction=0), rtol=1e-12)


def test_mean_std_of_one_colour() -> None:
    assert mean_std(torch.full((3, 1, 5, 5), 51, dtype=torch.uint8)) == ((0.2,), (0.0,))


def test_pieces_count_as_the_whole() -> None:
    images = torch.randint(0, 256, (7, 3, 5, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sums = Sums(channels=3)
    for piece in torch.split(images, 3):
        sums.add(piece.permute(0, 2, 3, 1).numpy())
    assert sums.mean_std() == mean_std(images)


@pytest.mark.parametrize("shape", [(1000, 1, 2, 3), (2, 3, 700, 300)])
def test_nothing_is_rounded_where_all_is_white(shape: tuple[int, ...]) -> None:
    """255 squared, in numbers whose float32 sum is inexact unless it is taken in pieces."""
    images = torch.full(shape, 255, dtype=torch.uint8)
    images[0, :, 0, 0] = 254
    mean, std = mean_std(images)
    values = images.double() / 255
    np.testing.assert_allclose(mean, values.mean((0, 2, 3)), rtol=1e-15)
    np.testing.assert_allclose(std, values.std((0, 2, 3), correction=0), rtol=1e-9)
