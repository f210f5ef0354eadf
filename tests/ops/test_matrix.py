"""The matrix of a convolution, and fully connected layers as convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.errors import InputError
from convworks.ops import cross_correlation, fully_connected
from convworks.ops.matrix import density, matrix, to_convolution, to_fully_connected


@settings(max_examples=repeats(37, 150), derandomize=True)
@given(st.data())
def test_the_matrix_computes_the_layer_and_its_transpose_the_message(data: Any) -> None:
    rank, groups = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    size = tuple(int(n) for n in rng.integers(5, 8, rank))
    weight = rng.normal(size=(2 * groups, 2, *rng.integers(1, 4, rank)))
    options: dict[str, Any] = {
        "stride": data.draw(st.integers(1, 3)),
        "padding": data.draw(st.sampled_from(["valid", "full", 1, ((1, 0),) * rank])),
        "dilation": data.draw(st.integers(1, 2)),
        "groups": groups,
    }
    x = rng.normal(size=(1, 2 * groups, *size))
    z = cross_correlation.forward(x, weight, **options)
    a = matrix(weight, size=size, **options)
    assert a.shape == (z.size, x.size)
    np.testing.assert_allclose(a @ x.ravel(), z.ravel(), rtol=0, atol=1e-12)
    message = rng.normal(size=z.shape)
    back = cross_correlation.backward(message, weight, size=size, **options)
    np.testing.assert_allclose(a.T @ message.ravel(), back.ravel(), rtol=0, atol=1e-12)


def test_density_counts_connections() -> None:
    """Lecture 001: 32x32 pixels, 3x3 fields, 30x30 outputs; each output is connected with 9 of 1,024 inputs."""
    a = matrix(np.ones((1, 1, 3, 3)), size=32)
    assert a.shape == (900, 1024)
    assert a.nnz == 8100
    assert density(a) == 9 / 1024


def test_a_fully_connected_layer_as_a_convolution() -> None:
    rng = np.random.default_rng(0)
    maps, weight = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(6, 60))
    expected = fully_connected.forward(maps.reshape(2, -1), weight)
    kernel = to_convolution(weight, size=(4, 5))
    np.testing.assert_allclose(cross_correlation.forward(maps, kernel)[:, :, 0, 0], expected, atol=1e-12)
    np.testing.assert_array_equal(to_fully_connected(kernel), weight)
    last = maps.transpose(0, 2, 3, 1)
    kernel = to_convolution(weight, size=(4, 5), layout="channels_last")
    output = cross_correlation.forward(last, kernel, layout="channels_last")
    np.testing.assert_allclose(output[:, 0, 0], fully_connected.forward(last.reshape(2, -1), weight), atol=1e-12)
    np.testing.assert_array_equal(to_fully_connected(kernel, layout="channels_last"), weight)


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"size: 7 x 7 must divide the 100 inputs of the layer"):
        to_convolution(np.ones((2, 100)), size=(7, 7))
    with pytest.raises(InputError, match=r"weight: must have 2 axes \(out, in\), got shape \(3,\)"):
        to_convolution(np.ones(3), size=(1, 1))
