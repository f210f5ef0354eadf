"""Squared error and cross-entropy against float64 autograd, by hand, and with wrong input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.errors import InputError
from convworks.ops import cross_entropy, squared_error


@settings(max_examples=repeats(37, 150), derandomize=True)
@given(
    st.integers(1, 8),
    st.integers(1, 10),
    st.just(0.0) | st.just(0.1) | st.floats(0.0, 1.0),
    st.sampled_from([0.01, 1.0, 30.0, 1000.0]),
    st.integers(0, 2**32),
)
def test_cross_entropy_equals_autograd_in_float64(
    batch: int, classes: int, smoothing: float, size: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(batch, classes)) * size, rng.integers(0, classes, batch)
    leaf = torch.tensor(logits, requires_grad=True)
    expected = F.cross_entropy(leaf, torch.tensor(labels), label_smoothing=smoothing)
    (dx,) = torch.autograd.grad(expected, leaf)
    output = cross_entropy.forward(logits, labels, smoothing)
    assert abs(output - expected.item()) <= 1e-10
    np.testing.assert_allclose(cross_entropy.backward(logits, labels, smoothing), dx.numpy(), rtol=0, atol=1e-10)


@settings(max_examples=repeats(25, 100), derandomize=True)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 2**32))
def test_squared_error_equals_autograd_in_float64(shape: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    prediction, target = rng.normal(size=shape), rng.normal(size=shape)
    leaf = torch.tensor(prediction, requires_grad=True)
    expected = F.mse_loss(leaf, torch.tensor(target), reduction="sum") / shape[0]
    (dx,) = torch.autograd.grad(expected, leaf)
    assert abs(squared_error.forward(prediction, target) - expected.item()) <= 1e-10
    np.testing.assert_allclose(squared_error.backward(prediction, target), dx.numpy(), rtol=0, atol=1e-10)


def test_squared_error_by_hand() -> None:
    # ((1 - 0)^2 + (2 - 0)^2 + (3 - 3)^2 + (5 - 4)^2) / 2 samples
    assert squared_error.forward([[1, 2], [3, 5]], [[0, 0], [3, 4]]) == 3.0
    np.testing.assert_array_equal(squared_error.backward([[1, 2], [3, 5]], [[0, 0], [3, 4]]), [[1, 2], [0, 1]])


def test_cross_entropy_by_hand() -> None:
    assert cross_entropy.forward(np.zeros((3, 10)), [0, 4, 9]) == pytest.approx(math.log(10), abs=1e-15)
    np.testing.assert_allclose(cross_entropy.backward([[0.0, 0.0]], [1]), [[0.5, -0.5]], rtol=0, atol=1e-16)
    # smoothed: 0.9 + 0.1 / 2 at the label, 0.1 / 2 beside it; the loss is least where p is just that
    logits = np.log([[0.05, 0.95]])
    np.testing.assert_allclose(cross_entropy.backward(logits, [1], 0.1), 0, rtol=0, atol=1e-15)


def test_cross_entropy_of_large_logits_neither_overflows_nor_takes_the_logarithm_of_zero() -> None:
    assert cross_entropy.forward([[1000.0, 0.0], [-1000.0, 1000.0]], [0, 1]) == 0
    assert cross_entropy.forward([[1000.0, 0.0]], [1]) == 1000
    assert cross_entropy.forward([[1000.0, 0.0]], [1], 0.5) == pytest.approx(750)
    np.testing.assert_array_equal(cross_entropy.backward([[1000.0, 0.0]], [1]), [[1, -1]])


def test_labels_of_any_whole_type() -> None:
    logits: Any = [[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]]
    expected = cross_entropy.forward(logits, [2, 0])
    for kind in (np.uint8, np.int32, np.int64, np.uint64):
        assert cross_entropy.forward(logits, np.array([2, 0], dtype=kind)) == expected


LOGITS = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: cross_entropy.forward(LOGITS, [0, 3]), r"labels\[1\]: is 3 and must lie between 0 and 2; number the"),
        (lambda: cross_entropy.backward(LOGITS, [-1, 0]), r"labels\[0\]: is -1 and must lie between 0 and 2"),
        (lambda: cross_entropy.forward(LOGITS, [0, 10**30]), "labels: must be whole numbers, got object"),
        (lambda: cross_entropy.forward(LOGITS, [0.0, 1.0]), "labels: must be whole numbers, got float64"),
        (lambda: cross_entropy.forward(LOGITS, [True, False]), "labels: must be whole numbers, got bool"),
        (lambda: cross_entropy.forward(LOGITS, [0]), r"labels: must have the shape \(2,\)"),
        (lambda: cross_entropy.forward(LOGITS, np.eye(3, dtype=int)[:2]), r"labels: must have the shape \(2,\)"),
        (lambda: cross_entropy.forward(LOGITS, ["cat", "dog"]), "labels: is not an array of numbers"),
        (lambda: cross_entropy.forward(LOGITS, [0, 1], 1.5), "smoothing: smoothing=1.5 must lie between 0 and 1"),
        (lambda: cross_entropy.forward(LOGITS, [0, 1], math.nan), "smoothing: smoothing=nan must lie between"),
        (lambda: cross_entropy.forward([0.0, 1.0], [0]), "logits: must have 2 axes"),
        (lambda: cross_entropy.forward(np.zeros((0, 3)), []), "logits: must not be empty"),
        (lambda: cross_entropy.forward([[np.nan, 0.0]], [0]), r"logits\[0, 0\]: is nan"),
        (lambda: squared_error.forward([[1.0]], [1.0]), "target: must have the shape"),
        (lambda: squared_error.forward(np.array(1.0), np.array(1.0)), r"prediction: must be \[batch, ...\]"),
        (lambda: squared_error.backward(np.zeros((0, 2)), np.zeros((0, 2))), r"prediction: must be \[batch, ...\]"),
        (lambda: squared_error.forward([[1.0]], [[np.inf]]), r"target\[0, 0\]: is inf"),
    ],
)
def test_wrong_input_is_one_line(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=f"^{line}") as caught:
        call()
    assert "\n" not in str(caught.value)
