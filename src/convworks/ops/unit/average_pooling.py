"""One unit of average pooling: a sum over a window with weights 1/n."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import images
from convworks.ops.average_pooling import divisor
from convworks.ops.shape import Padding, PerAxis, Rounding, sliding
from convworks.ops.unit.terms import Terms, beside, index_of, pairs, read, terms, window


def forward(
    x: ArrayLike,
    *,
    unit: Sequence[int],
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    rounding: Rounding = "floor",
    count_padding: bool = True,
) -> Terms:
    """Return the values of one window, (b, c, *o), each with weight 1/n, n as `ops.average_pooling` counts."""
    pixels = images("x", x, "channels_first")
    axes = sliding(pixels.shape[2:], kernel_size, stride or kernel_size, padding, rounding=rounding)
    places = window(axes, pixels.shape, unit)
    share = 1 / divisor(axes, count_padding)[0, 0][tuple(unit[2:])]
    return terms(read(pixels, places), np.full(len(places), share), places)


def backward(
    message: ArrayLike,
    *,
    position: Sequence[int],
    size: Sequence[int],
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    rounding: Rounding = "floor",
    count_padding: bool = True,
) -> Terms:
    """Return the messages of all windows that see x[position], each with weight 1/n."""
    delta = images("message", message, "channels_first", len(size))
    axes = sliding(size, kernel_size, stride or kernel_size, padding, rounding=rounding)
    b, c, *at = index_of("position", position, (*delta.shape[:2], *size))
    _, outputs = pairs(axes, at)
    places = beside([b, c], outputs)
    return terms(read(delta, places), 1 / divisor(axes, count_padding)[0, 0][tuple(outputs.T)], places)
