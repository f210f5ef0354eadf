"""One unit of softmax: an exponential divided by their sum; its message depends on all units along the axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.activation import softmax
from convworks.ops.arrays import floats, same_shape
from convworks.ops.unit.terms import Terms, index_of, read, terms
from convworks.ops.whole import Whole


def forward(x: ArrayLike, *, unit: Sequence[Whole], axis: int = 1) -> Terms:
    """Return one term: exp(x - m) with weight 1 / sum of exp(x - m) along the axis, m the largest x there."""
    values = floats("x", x)
    softmax.forward(values, axis)  # checks both
    index = index_of("unit", unit, values.shape)
    line = values[_along(index, axis, values.ndim)]
    powers = np.exp(line - line.max())
    power = np.exp(values[index] - line.max())
    return terms(np.array([power]), np.array([1 / powers.sum()]), np.array([index]))


def backward(message: ArrayLike, x: ArrayLike, *, position: Sequence[Whole], axis: int = 1) -> Terms:
    """Return the messages along the axis, each with weight p[j] ([i = j] - p[i])."""
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    p = softmax.forward(values, axis)
    index = index_of("position", position, values.shape)
    positions = np.repeat(np.array([index]), values.shape[axis], axis=0)
    positions[:, axis] = np.arange(values.shape[axis])
    own = (positions == np.array(index)).all(1)
    return terms(read(delta, positions), read(p, positions) * (own - p[index]), positions)


def _along(index: tuple[int, ...], axis: int, rank: int) -> tuple[int | slice, ...]:
    return tuple(slice(None) if number == axis % rank else place for number, place in enumerate(index))
