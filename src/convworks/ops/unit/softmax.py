"""One unit of the softmax: its one term; its message depends on all values along the axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.activation import softmax
from convworks.ops.arrays import floats, same_shape
from convworks.ops.unit.terms import Positions, Terms, index_of, read, terms
from convworks.ops.whole import Whole


def forward(x: ArrayLike, *, unit: Sequence[Whole], axis: int = 1) -> Terms:
    """Return p[unit] as exp(x) times 1 / (sum of exp(x) along the axis); all are reduced by the largest exp(x)."""
    values = floats("x", x)
    index = index_of("unit", unit, values.shape)
    line = read(values, _along(index, axis, values.shape))
    powers = np.exp(line - line.max())
    return terms(powers[index[axis]].reshape(1), np.array([1 / powers.sum()]), np.array([index]))


def backward(message: ArrayLike, x: ArrayLike, *, position: Sequence[Whole], axis: int = 1) -> Terms:
    """Return the terms of the message at x[position]: message[k] * p[k] * ([k = i] - p[i]) over all k of the axis."""
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    index = index_of("position", position, values.shape)
    positions = _along(index, axis, values.shape)
    p = softmax.forward(read(values, positions), axis=0)
    own = np.arange(len(p)) == index[axis]
    return terms(read(delta, positions), p * (own - p[own]), positions)


def _along(index: tuple[int, ...], axis: int, shape: tuple[int, ...]) -> Positions:
    """Return the indices that differ from one along an axis only."""
    positions = np.repeat(np.array([index]), shape[axis], axis=0)
    positions[:, axis] = np.arange(shape[axis])
    return positions
