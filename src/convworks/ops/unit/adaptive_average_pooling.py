"""One unit of adaptive average pooling: the mean of a window whose bounds follow from both sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import images
from convworks.ops.pooling.adaptive_average_pooling import averaging
from convworks.ops.unit.terms import Terms, beside, grid, index_of, read, terms
from convworks.ops.whole import PerAxis, Whole, per_axis, wholes


def forward(x: ArrayLike, *, unit: Sequence[Whole], output_size: PerAxis) -> Terms:
    """Return the values of one window, (b, c, *o), each with weight 1/n."""
    pixels = images("x", x, "channels_first")
    outputs = per_axis("output_size", output_size, pixels.ndim - 2)
    b, c, *place = index_of("unit", unit, (*pixels.shape[:2], *outputs))
    rows = [averaging(n, m)[o] for n, m, o in zip(pixels.shape[2:], outputs, place, strict=True)]
    positions = beside([b, c], grid(*(np.flatnonzero(row) for row in rows)))
    return terms(read(pixels, positions), _weights(rows), positions)


def backward(message: ArrayLike, *, position: Sequence[Whole], size: Sequence[Whole]) -> Terms:
    """Return the messages of all windows that contain x[position], each with weight 1/n."""
    delta, sizes = images("message", message, "channels_first"), wholes("size", size)
    b, c, *place = index_of("position", position, (*delta.shape[:2], *sizes))
    columns = [averaging(n, m)[:, i] for n, m, i in zip(sizes, delta.shape[2:], place, strict=True)]
    positions = beside([b, c], grid(*(np.flatnonzero(column) for column in columns)))
    return terms(read(delta, positions), _weights(columns), positions)


def _weights(lines: Sequence[np.ndarray]) -> np.ndarray:
    """Return the products of one entry of each line that is not 0, the last line changing fastest."""
    weights = np.ones(1)
    for line in lines:
        weights = np.outer(weights, line[line != 0]).ravel()
    return weights
