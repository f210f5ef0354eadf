"""One unit of adaptive average pooling: a sum over a window, whose size depends on its place, with weights 1/n."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import images, same_shape
from convworks.ops.pooling.adaptive_average_pooling import bounds
from convworks.ops.unit.terms import Terms, beside, grid, index_of, read, terms
from convworks.ops.whole import PerAxis, Whole, per_axis, wholes


def forward(x: ArrayLike, *, unit: Sequence[Whole], output_size: PerAxis) -> Terms:
    """Return the values of one window, (b, c, *o), each with weight 1/n."""
    pixels = images("x", x, "channels_first")
    outputs = per_axis("output_size", output_size, pixels.ndim - 2)
    b, c, *place = index_of("unit", unit, (*pixels.shape[:2], *outputs))
    ranges = []
    for n, m, o in zip(pixels.shape[2:], outputs, place, strict=True):
        begins, ends = bounds(n, m)
        ranges.append(range(int(begins[o]), int(ends[o])))
    positions = beside([b, c], grid(*ranges))
    return terms(read(pixels, positions), np.full(len(positions), 1 / len(positions)), positions)


def backward(message: ArrayLike, *, position: Sequence[Whole], size: Sequence[Whole], output_size: PerAxis) -> Terms:
    """Return the messages of all windows that contain x[position], each with weight 1/n."""
    sizes = wholes("size", size)
    outputs = per_axis("output_size", output_size, len(sizes))
    delta = images("message", message, "channels_first", len(sizes))
    same_shape("message", delta, (*delta.shape[:2], *outputs))
    b, c, *place = index_of("position", position, (*delta.shape[:2], *sizes))
    windows, lengths = [], []
    for n, m, i in zip(sizes, outputs, place, strict=True):
        begins, ends = bounds(n, m)
        windows.append(np.flatnonzero((begins <= i) & (i < ends)))
        lengths.append((ends - begins)[windows[-1]])
    positions = beside([b, c], grid(*windows))
    return terms(read(delta, positions), 1 / grid(*lengths).prod(1), positions)
