"""One unit of average pooling: a sum over a window with weights 1/n."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import images, same_shape
from convworks.ops.pooling.average_pooling import divisor
from convworks.ops.shape import Padding, Rounding, sliding
from convworks.ops.unit.terms import Terms, beside, index_of, pairs, read, terms, window
from convworks.ops.whole import PerAxis, Whole, wholes


def forward(
    x: ArrayLike,
    *,
    unit: Sequence[Whole],
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    rounding: Rounding = "floor",
    count_padding: bool = True,
) -> Terms:
    """Return the values of one window, (b, c, *o), each with weight 1/n, n as `ops.average_pooling` counts."""
    pixels = images("x", x, "channels_first")
    steps = kernel_size if stride is None else stride
    axes = sliding(pixels.shape[2:], kernel_size, steps, padding, rounding=rounding)
    index = index_of("unit", unit, (*pixels.shape[:2], *(axis.output for axis in axes)))
    positions = window(axes, pixels.shape, index)
    weight = 1 / divisor(axes, count_padding)[0, 0][index[2:]]
    return terms(read(pixels, positions), np.full(len(positions), weight), positions)


def backward(
    message: ArrayLike,
    *,
    position: Sequence[Whole],
    size: Sequence[Whole],
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    rounding: Rounding = "floor",
    count_padding: bool = True,
) -> Terms:
    """Return the messages of all windows that contain x[position], each with weight 1/n."""
    sizes, steps = wholes("size", size), kernel_size if stride is None else stride
    delta = images("message", message, "channels_first", len(sizes))
    axes = sliding(sizes, kernel_size, steps, padding, rounding=rounding)
    same_shape("message", delta, (*delta.shape[:2], *(axis.output for axis in axes)))
    b, c, *input_position = index_of("position", position, (*delta.shape[:2], *sizes))
    _, outputs = pairs(axes, input_position)
    positions = beside([b, c], outputs)
    return terms(read(delta, positions), 1 / divisor(axes, count_padding)[0, 0][tuple(outputs.T)], positions)
