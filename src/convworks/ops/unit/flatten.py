"""One unit of flattening: the same number at another index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import floats
from convworks.ops.unit.terms import Terms, index_of, terms
from convworks.ops.whole import Whole


def forward(x: ArrayLike, *, unit: Sequence[Whole], output_shape: Sequence[int]) -> Terms:
    """Return z[unit] as the one value of x that it is, times 1; z has `output_shape` and the order of x."""
    return _same(floats("x", x), index_of("unit", unit, output_shape), output_shape)


def backward(message: ArrayLike, *, position: Sequence[Whole], shape: Sequence[int]) -> Terms:
    """Return the message at x[position], that of the one output which it is, times 1; x has this shape."""
    return _same(floats("message", message), index_of("position", position, shape), shape)


def _same(values: np.ndarray, index: tuple[int, ...], shape: Sequence[int]) -> Terms:
    """Return the value that an index into this shape reads from an array of another shape."""
    place = np.unravel_index(int(np.ravel_multi_index(index, tuple(shape))), values.shape)
    return terms(values[place].reshape(1), np.ones(1), np.array([place]))
