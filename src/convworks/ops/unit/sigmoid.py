"""One unit of the sigmoid: its one term, and that of its message."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.activation import sigmoid
from convworks.ops.arrays import floats, same_shape
from convworks.ops.unit.terms import Terms, index_of, terms
from convworks.ops.whole import Whole


def forward(x: ArrayLike, *, unit: Sequence[Whole]) -> Terms:
    """Return s(x[unit]) as exp(x) times 1 / (1 + exp(x)); for x > 0 both fractions are reduced by exp(x)."""
    values = floats("x", x)
    index = index_of("unit", unit, values.shape)
    power = np.exp(min(values[index], 0.0))
    return terms(np.array([power]), np.array([1 / (1 + np.exp(-abs(values[index])))]), np.array([index]))


def backward(message: ArrayLike, x: ArrayLike, *, position: Sequence[Whole]) -> Terms:
    """Return the message at x[position]: message * s(x) * (1 - s(x))."""
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    index = index_of("position", position, values.shape)
    slope = sigmoid.backward(np.ones(1), values[index].reshape(1))
    return terms(delta[index].reshape(1), slope, np.array([index]))
