"""Scaling in NumPy gives the bits of PyTorch's kernel, so it does not matter which of them scales an image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from convworks.data.decode.bilinear import bilinear, weights

SIDES = st.integers(2, 300)


@given(
    have=st.tuples(SIDES, SIDES),
    want=st.tuples(SIDES, SIDES),
    channels=st.sampled_from([1, 3, 4]),
    seed=st.integers(0, 9),
)
def test_it_is_bit_for_bit_that_of_pytorch(
    have: tuple[int, int], want: tuple[int, int], channels: int, seed: int
) -> None:
    array = np.random.default_rng(seed).integers(0, 256, (*have, channels), dtype=np.uint8)
    batch = torch.from_numpy(array).permute(2, 0, 1)[None]
    expected = F.interpolate(batch, want, mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(bilinear(array, want), expected)


@pytest.mark.parametrize(("have", "want"), [(640, 224), (224, 640), (500, 96), (31, 32), (7, 7)])
def test_weights_add_up_to_one(have: int, want: int) -> None:
    first, values, places = weights(have, want)
    np.testing.assert_allclose(values.sum(0) / 2**places, 1, atol=2e-4)
    assert first.min() == 0
    assert values.max() < 1 << 15
