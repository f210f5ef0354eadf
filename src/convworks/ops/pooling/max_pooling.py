"""Max pooling: the largest value of every window (lectures 000 and 003, Pooling; 001, Max Pooling Gradient).

    z[b, c, o] = max over t of x[b, c, o * stride + t * dilation - padding]

o (output position) and t (tap) have one, two or three axes; channels are independent. Padding counts as minus infinity,
so a window must contain at least one value. (PyTorch requires padding of at most half the kernel instead, which is not
sufficient with dilation and stricter than necessary without.) The windows of `ceil` are those of `ops.shape`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, Layout, images, in_layout, in_range, same_shape
from convworks.ops.shape import Axis, Padding, Rounding, sliding
from convworks.ops.whole import PerAxis
from convworks.ops.windows import fold, windows


def forward(
    x: ArrayLike,
    *,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    rounding: Rounding = "floor",
    layout: Layout = "channels_first",
) -> Array:
    """Return the largest value of every window; without `stride`, windows do not overlap (stride = kernel_size).

    Images [batch, channel, *size] become [batch, channel, *output]. Raises InputError for wrong ranks, values that are
    not finite, a kernel larger than the padded input, and windows that contain only padding.
    """
    pixels, steps = images("x", x, layout), kernel_size if stride is None else stride
    axes = sliding(pixels.shape[2:], kernel_size, steps, padding, dilation, rounding=rounding)
    return in_layout(candidates(pixels, axes).max(2), layout)


@in_range
def backward(
    message: ArrayLike,
    x: ArrayLike,
    *,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    rounding: Rounding = "floor",
    layout: Layout = "channels_first",
) -> Array:
    """Return the message at the input: each window sends its message to its maximum (001, Max Pooling Gradient).

    delta_x[b, c, i] = sum over the windows o whose maximum is at i of message[b, c, o]

    Among equal values, the first in row-major order is the maximum.
    """
    pixels, steps = images("x", x, layout), kernel_size if stride is None else stride
    axes = sliding(pixels.shape[2:], kernel_size, steps, padding, dilation, rounding=rounding)
    delta = images("message", message, layout, len(axes))
    same_shape("message", delta, (*pixels.shape[:2], *(axis.output for axis in axes)), layout)
    window_values = candidates(pixels, axes)
    parts = np.zeros(window_values.shape)
    np.put_along_axis(parts, window_values.argmax(2, keepdims=True), delta[:, :, None], axis=2)
    shape = (*pixels.shape[:2], *(axis.kernel_size for axis in axes), *delta.shape[2:])
    return in_layout(fold(parts.reshape(shape), axes), layout)


def candidates(pixels: Array, axes: Sequence[Axis]) -> Float64[np.ndarray, "b c taps *places"]:
    """Return the values of each window, taps in row-major order along one axis, minus infinity for padding."""
    taps_on_input(axes)
    taps = math.prod(axis.kernel_size for axis in axes)
    positions = (axis.output for axis in axes)
    return windows(pixels, axes, fill=-np.inf).reshape(*pixels.shape[:2], taps, *positions)


def taps_on_input(axes: Sequence[Axis]) -> Float64[np.ndarray, "1 1 *places"]:
    """Return the number of input positions in each window; InputError if one contains only padding."""
    kernel = tuple(range(2, 2 + len(axes)))
    counts = windows(np.ones((1, 1, *(axis.size for axis in axes))), axes).sum(kernel)
    if not counts.all():
        position = ", ".join(map(str, np.argwhere(counts == 0)[0, 2:]))
        pairs = ", ".join(f"({axis.before}, {axis.after})" for axis in axes)
        raise InputError(
            "padding",
            f"{pairs} leaves a window that sees padding only, at place [{position}]",
            "use less padding: at most half the kernel never does so without dilation",
        )
    return np.asarray(counts, dtype=np.float64)
