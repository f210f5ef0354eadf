"""One unit of adaptive max pooling: a sum over a window in which one value has weight 1, the others 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, images, same_shape
from convworks.ops.pooling.adaptive_average_pooling import bounds
from convworks.ops.unit.terms import Terms, beside, grid, index_of, read, terms
from convworks.ops.whole import PerAxis, Whole, per_axis


def forward(x: ArrayLike, *, unit: Sequence[Whole], output_size: PerAxis) -> Terms:
    """Return the values of one window, (b, c, *o): the first largest has weight 1, the others 0."""
    pixels = images("x", x, "channels_first")
    outputs = per_axis("output_size", output_size, pixels.ndim - 2)
    index = index_of("unit", unit, (*pixels.shape[:2], *outputs))
    return _window(pixels, outputs, index)


def backward(message: ArrayLike, x: ArrayLike, *, position: Sequence[Whole], output_size: PerAxis) -> Terms:
    """Return the messages of all windows that contain x[position]: weight 1 if it is the maximum, else 0."""
    pixels = images("x", x, "channels_first")
    outputs = per_axis("output_size", output_size, pixels.ndim - 2)
    delta = images("message", message, "channels_first", len(outputs))
    same_shape("message", delta, (*pixels.shape[:2], *outputs))
    index = index_of("position", position, pixels.shape)
    reached = []
    for n, m, i in zip(pixels.shape[2:], outputs, index[2:], strict=True):
        begins, ends = bounds(n, m)
        reached.append(np.flatnonzero((begins <= i) & (i < ends)))
    positions = beside(index[:2], grid(*reached))
    weights = []
    for unit in positions:
        window = _window(pixels, outputs, tuple(unit.tolist()))
        weights.append(float(window.weights[(window.positions == np.array(index)).all(1)].sum()))
    return terms(read(delta, positions), np.array(weights), positions)


def _window(pixels: Array, outputs: Sequence[int], index: tuple[int, ...]) -> Terms:
    ranges = []
    for n, m, o in zip(pixels.shape[2:], outputs, index[2:], strict=True):
        begins, ends = bounds(n, m)
        ranges.append(range(int(begins[o]), int(ends[o])))
    positions = beside(index[:2], grid(*ranges))
    values = read(pixels, positions)
    weights = np.zeros(len(values))
    weights[values.argmax()] = 1.0
    return terms(values, weights, positions)
