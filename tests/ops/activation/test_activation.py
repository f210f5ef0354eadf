"""Activations against float64 autograd, at their limits, and with wrong input."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.errors import InputError
from convworks.ops.activation import leaky_relu, relu, sigmoid, softmax, tanh

OPERATIONS: dict[ModuleType, Callable[..., torch.Tensor]] = {
    sigmoid: torch.sigmoid,
    tanh: torch.tanh,
    relu: torch.relu,
    leaky_relu: F.leaky_relu,
}
#: Zeros and large values are drawn often: there the derivatives are conventions, or vanish.
VALUES = st.floats(-800.0, 800.0, width=64) | st.sampled_from([0.0, -0.0, 1.0, -1.0]) | st.floats(-3.0, 3.0)


@st.composite
def arrays(draw: Any, least_rank: int = 0) -> np.ndarray:
    """Draw values of any shape of up to four axes."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=least_rank, max_size=4)))
    count = int(np.prod(shape))
    return np.array(draw(st.lists(VALUES, min_size=count, max_size=count)), dtype=np.float64).reshape(shape)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda module: module.__name__.split(".")[-1])
@settings(max_examples=repeats(25, 100), derandomize=True)
@given(arrays(), st.integers(0, 2**32))
def test_activations_equal_autograd_in_float64(operation: ModuleType, x: np.ndarray, seed: int) -> None:
    compare(operation.forward, operation.backward, OPERATIONS[operation], x, seed)


@settings(max_examples=repeats(25, 100), derandomize=True)
@given(arrays(), st.floats(-2.0, 2.0), st.integers(0, 2**32))
def test_leaky_relu_with_any_slope(x: np.ndarray, slope: float, seed: int) -> None:
    compare(
        lambda values: leaky_relu.forward(values, slope),
        lambda message, values: leaky_relu.backward(message, values, slope),
        lambda leaf: F.leaky_relu(leaf, slope),
        x,
        seed,
    )


@settings(max_examples=repeats(37, 150), derandomize=True)
@given(arrays(least_rank=2), st.integers(-2, 1), st.integers(0, 2**32))
def test_softmax_equals_autograd_in_float64(x: np.ndarray, axis: int, seed: int) -> None:
    compare(
        lambda values: softmax.forward(values, axis),
        lambda message, values: softmax.backward(message, values, axis),
        lambda leaf: torch.softmax(leaf, axis),
        x,
        seed,
    )
    np.testing.assert_allclose(softmax.forward(x).sum(1), 1, rtol=1e-14)


def compare(forward: Any, backward: Any, oracle: Any, x: np.ndarray, seed: int) -> None:
    leaf = torch.tensor(x, requires_grad=True)
    expected = oracle(leaf)
    message = np.asarray(np.random.default_rng(seed).normal(size=x.shape))
    (dx,) = torch.autograd.grad(expected, leaf, torch.tensor(message))
    np.testing.assert_allclose(forward(x), expected.detach().numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(backward(message, x), dx.numpy(), rtol=0, atol=1e-10)


def test_the_limits() -> None:
    far = np.array([-1e308, -1000.0, 1000.0, 1e308])
    np.testing.assert_array_equal(sigmoid.forward(far), [0, 0, 1, 1])
    np.testing.assert_array_equal(sigmoid.backward(np.ones(4), far), 0)
    np.testing.assert_array_equal(tanh.forward(far), [-1, -1, 1, 1])
    # the derivative keeps its relative precision where s(x) has rounded to 1
    np.testing.assert_allclose(sigmoid.backward([1.0], [50.0]), np.exp(-50.0), rtol=1e-14)
    np.testing.assert_array_equal(softmax.forward([[1000.0, 1000.0], [-1000.0, 1000.0]]), [[0.5, 0.5], [0, 1]])


def test_the_derivatives_at_zero() -> None:
    assert relu.backward([1.0], [0.0]) == 0
    assert leaky_relu.backward([1.0], [0.0]) == 0.01
    assert sigmoid.backward([1.0], [0.0]) == 0.25
    assert tanh.backward([1.0], [0.0]) == 1
    np.testing.assert_array_equal(relu.forward([[-1.0, 0.0, 2.0]]), [[0, 0, 2]])
    np.testing.assert_array_equal(leaky_relu.forward([[-1.0, 0.0, 2.0]]), [[-0.01, 0, 2]])


@pytest.mark.parametrize("operation", [*OPERATIONS, softmax], ids=lambda module: module.__name__.split(".")[-1])
def test_values_not_finite_and_messages_of_another_shape_are_refused(operation: ModuleType) -> None:
    refused(lambda: operation.forward([[0.0, np.nan]]), r"x\[0, 1\]: is nan and all values must be finite")
    refused(lambda: operation.forward([["a", "b"]]), "x: is not an array of numbers")
    refused(lambda: operation.backward(np.ones((2, 1)), np.ones((1, 2))), "message: must have the shape")
    refused(lambda: operation.backward([[np.inf, 0.0]], np.ones((1, 2))), r"message\[0, 0\]: is inf")


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: softmax.forward([1.0, 2.0]), "axis: axis=1 must be an axis of x of shape"),
        (lambda: softmax.forward([[1.0]], -3), "axis: axis=-3 must be an axis"),
        (lambda: softmax.forward(np.zeros((2, 0))), "x: must have at least one value along axis 1"),
        (lambda: leaky_relu.forward([1.0], float("nan")), "slope: slope=nan must be finite"),
        (lambda: leaky_relu.backward([1.0], [1.0], float("inf")), "slope: slope=inf must be finite"),
    ],
)
def test_wrong_input_is_one_line(call: Callable[[], object], line: str) -> None:
    refused(call, line)


def refused(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=f"^{line}") as caught:
        call()
    assert "\n" not in str(caught.value)
