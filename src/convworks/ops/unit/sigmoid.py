"""One unit of the logistic function: a function of one value, as one term."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.activation import sigmoid
from convworks.ops.arrays import floats, same_shape
from convworks.ops.unit.terms import Terms, index_of, terms
from convworks.ops.whole import Whole


def forward(x: ArrayLike, *, unit: Sequence[Whole]) -> Terms:
    """Return sigmoid(x[unit]) with weight 1."""
    values = floats("x", x)
    index = index_of("unit", unit, values.shape)
    return terms(sigmoid.forward(values[index].reshape(1)), np.ones(1), np.array([index]))


def backward(message: ArrayLike, x: ArrayLike, *, position: Sequence[Whole]) -> Terms:
    """Return the message with weight z (1 - z), z = sigmoid(x[position])."""
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    index = index_of("position", position, values.shape)
    slope = sigmoid.backward(np.ones(1), values[index].reshape(1))
    return terms(delta[index].reshape(1), slope, np.array([index]))
