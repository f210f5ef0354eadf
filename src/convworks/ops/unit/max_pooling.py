"""One unit of max pooling: a sum over a window in which one value has weight 1, the others 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import images, same_shape
from convworks.ops.pooling.max_pooling import candidates, taps_on_input
from convworks.ops.shape import Padding, Rounding, sliding
from convworks.ops.unit.terms import Terms, beside, index_of, pairs, read, terms, window
from convworks.ops.whole import PerAxis, Whole


def forward(
    x: ArrayLike,
    *,
    unit: Sequence[Whole],
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    rounding: Rounding = "floor",
) -> Terms:
    """Return the values of one window, (b, c, *o): the first largest has weight 1, the others 0 (lecture 001)."""
    pixels = images("x", x, "channels_first")
    steps = kernel_size if stride is None else stride
    axes = sliding(pixels.shape[2:], kernel_size, steps, padding, dilation, rounding=rounding)
    taps_on_input(axes)
    index = index_of("unit", unit, (*pixels.shape[:2], *(axis.output for axis in axes)))
    positions = window(axes, pixels.shape, index)
    values = read(pixels, positions)
    weights = np.zeros(len(values))
    weights[values.argmax()] = 1.0
    return terms(values, weights, positions)


def backward(
    message: ArrayLike,
    x: ArrayLike,
    *,
    position: Sequence[Whole],
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    rounding: Rounding = "floor",
) -> Terms:
    """Return the messages of all windows that contain x[position]: weight 1 if it is the maximum, else 0."""
    pixels = images("x", x, "channels_first")
    steps = kernel_size if stride is None else stride
    axes = sliding(pixels.shape[2:], kernel_size, steps, padding, dilation, rounding=rounding)
    delta = images("message", message, "channels_first", len(axes))
    same_shape("message", delta, (*pixels.shape[:2], *(axis.output for axis in axes)))
    b, c, *input_position = index_of("position", position, pixels.shape)
    taps, outputs = pairs(axes, input_position)
    winners = candidates(pixels[b : b + 1, c : c + 1], axes)[0, 0].argmax(0)
    own = np.ravel_multi_index(tuple(taps.T), tuple(axis.kernel_size for axis in axes))
    positions = beside([b, c], outputs)
    return terms(read(delta, positions), (winners[tuple(outputs.T)] == own).astype(np.float64), positions)
