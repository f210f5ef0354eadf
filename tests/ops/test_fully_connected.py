"""Fully connected layers, residual connections and dropout against float64 autograd, by hand, and with wrong input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.errors import InputError
from convworks.ops import cross_correlation, dropout, fully_connected, residual

SIDE = st.integers(1, 8)
SEED = st.integers(0, 2**32)
RATES = st.just(0.0) | st.just(0.5) | st.floats(0.0, 0.99)


@settings(max_examples=repeats(25, 100), derandomize=True)
@given(SIDE, SIDE, SIDE, SEED)
def test_fully_connected_equals_autograd_in_float64(batch: int, inputs: int, outputs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, weight, bias = rng.normal(size=(batch, inputs)), rng.normal(size=(outputs, inputs)), rng.normal(size=outputs)
    leaves = [torch.tensor(values, requires_grad=True) for values in (x, weight, bias)]
    expected = F.linear(*leaves)
    message = rng.normal(size=(batch, outputs))
    dx, dw, db = torch.autograd.grad(expected, leaves, torch.tensor(message))
    back, gradient = fully_connected.backward(message, weight), fully_connected.gradient(message, x)
    for actual, wanted in (
        (fully_connected.forward(x, weight, bias), expected.detach()),
        (back, dx),
        (gradient.weight, dw),
        (gradient.bias, db),
    ):
        np.testing.assert_allclose(actual, wanted.numpy(), rtol=0, atol=1e-10)
    linear = fully_connected.forward(x, weight)
    lengths = np.linalg.norm(linear) * np.linalg.norm(message)
    assert abs(np.vdot(linear, message) - np.vdot(x, back)) <= 1e-12 * lengths


def test_a_fully_connected_layer_is_a_convolution_with_a_kernel_as_large_as_the_image() -> None:
    rng = np.random.default_rng(0)
    x, weight, bias = rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(5, 3, 4, 4)), rng.normal(size=5)
    output = fully_connected.forward(x.reshape(2, -1), weight.reshape(5, -1), bias)
    np.testing.assert_allclose(output, cross_correlation.forward(x, weight, bias)[:, :, 0, 0], rtol=0, atol=1e-12)


@settings(max_examples=repeats(25, 100), derandomize=True)
@given(st.lists(st.integers(1, 5), max_size=4), SEED)
def test_residual_equals_autograd_in_float64(shape: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, body, message = (np.asarray(rng.normal(size=shape)) for _ in range(3))
    leaves = [torch.tensor(values, requires_grad=True) for values in (x, body)]
    expected = leaves[0] + leaves[1]
    parts = torch.autograd.grad(expected, leaves, torch.tensor(message))
    np.testing.assert_array_equal(residual.forward(x, body), expected.detach().numpy())
    for actual, wanted in zip(residual.backward(message), parts, strict=True):
        np.testing.assert_array_equal(actual, wanted.numpy())


def test_the_two_messages_of_a_residual_are_arrays_of_their_own() -> None:
    messages = residual.backward([1.0, 2.0])
    messages.x[0] = 9
    assert messages.body[0] == 1


@settings(max_examples=repeats(25, 100), derandomize=True)
@given(st.lists(st.integers(1, 5), max_size=4), RATES, SEED)
def test_dropout_equals_autograd_in_float64(shape: list[int], rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = dropout.mask(shape, rate, rng)
    assert mask.shape == tuple(shape)
    x, message = (np.asarray(rng.normal(size=shape)) for _ in range(2))
    leaf = torch.tensor(x, requires_grad=True)
    expected = leaf * torch.tensor(mask) / (1 - rate)
    (dx,) = torch.autograd.grad(expected, leaf, torch.tensor(message))
    np.testing.assert_allclose(dropout.forward(x, mask, rate), expected.detach().numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(dropout.backward(message, mask, rate), dx.numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_the_mask_keeps_with_probability_one_less_rate_and_so_the_mean(rate: float) -> None:
    mask = dropout.mask((400, 1000), rate, np.random.default_rng(0))
    deviation = (rate * (1 - rate) / mask.size) ** 0.5
    assert abs(mask.mean() - (1 - rate)) <= 5 * deviation
    assert abs(dropout.forward(np.ones(mask.shape), mask, rate).mean() - 1) <= 5 * deviation / (1 - rate)
    np.testing.assert_array_equal(mask, dropout.mask((400, 1000), rate, np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: fully_connected.forward([1.0], [[1.0]]), "x: must have 2 axes"),
        (
            lambda: fully_connected.forward([[1.0, 2.0]], [[1.0]]),
            r"x: has 2 features, and weight of shape \(1, 1\) needs 1",
        ),
        (lambda: fully_connected.forward([[1.0]], [[1.0]], [1.0, 2.0]), r"bias: must have the shape \(1,\)"),
        (lambda: fully_connected.forward([[1.0]], [[np.nan]]), r"weight\[0, 0\]: is nan"),
        (lambda: fully_connected.backward([[1.0, 2.0]], [[1.0]]), "message: must have the shape"),
        (lambda: fully_connected.gradient([[1.0]], [[1.0], [2.0]]), "message: must have the shape"),
        (lambda: residual.forward([[1.0]], [1.0]), r"body: must have the shape \(1, 1\)"),
        (lambda: residual.backward([np.inf]), r"message\[0\]: is inf"),
        (lambda: dropout.mask((2,), 1.0, np.random.default_rng()), "rate: rate=1.0 must be at least 0 and below 1"),
        (lambda: dropout.mask((2,), float("nan"), np.random.default_rng()), "rate: rate=nan must be"),
        (lambda: dropout.forward([1.0], [1.0], -0.1), "rate: rate=-0.1 must be"),
        (lambda: dropout.forward([1.0, 2.0], [1.0], 0.5), r"mask: must have the shape \(2,\)"),
        (lambda: dropout.backward([1.0], [0.5], 0.5), "mask: must hold zeros and ones only"),
    ],
)
def test_wrong_input_is_one_line(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=f"^{line}") as caught:
        call()
    assert "\n" not in str(caught.value)
