"""Average pooling: the mean of every window (lectures 000 and 003, Pooling; 002, Pooling: Average Pooling).

    z[b, c, o] = sum over t of x[b, c, o * stride + t * dilation - padding] / n[o]

o (output position) and t (tap) have one, two or three axes; channels are independent. Padding is zero. n[o] counts the
taps on input or padding; with `count_padding=False`, those on input only. Taps beyond the padding (with `ceil`) never
count (all as in PyTorch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, Layout, images, in_layout, in_range, same_shape
from convworks.ops.pooling.max_pooling import taps_on_input
from convworks.ops.shape import Axis, Padding, Rounding, sliding
from convworks.ops.whole import PerAxis, per_axis
from convworks.ops.windows import fold, windows


@in_range
def forward(
    x: ArrayLike,
    *,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    rounding: Rounding = "floor",
    count_padding: bool = True,
    layout: Layout = "channels_first",
) -> Array:
    """Return the mean of every window; without `stride`, windows do not overlap (stride = kernel_size).

    Images [batch, channel, *size] become [batch, channel, *output]. Raises InputError for wrong ranks, values that are
    not finite, a kernel larger than the padded input, and windows with nothing to count.
    """
    pixels, steps = images("x", x, layout), kernel_size if stride is None else stride
    axes = sliding(pixels.shape[2:], kernel_size, steps, padding, dilation, rounding=rounding)
    kernel = tuple(range(2, 2 + len(axes)))
    return in_layout(windows(pixels, axes).sum(kernel) / divisor(axes, count_padding), layout)


@in_range
def backward(
    message: ArrayLike,
    *,
    size: PerAxis,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    rounding: Rounding = "floor",
    count_padding: bool = True,
    layout: Layout = "channels_first",
) -> Array:
    """Return the message at the input, images of `size`: each window distributes its message over its taps.

    delta_x[b, c, i] = sum over all (o, t) with o * stride + t * dilation - padding = i of message[b, c, o] / n[o]
    """
    delta = images("message", message, layout)
    rank, steps = delta.ndim - 2, kernel_size if stride is None else stride
    axes = sliding(per_axis("size", size, rank), kernel_size, steps, padding, dilation, rounding=rounding)
    same_shape("message", delta, (*delta.shape[:2], *(axis.output for axis in axes)), layout)
    tap_message = np.expand_dims(delta / divisor(axes, count_padding), tuple(range(2, 2 + rank)))
    shape = (*delta.shape[:2], *(axis.kernel_size for axis in axes), *delta.shape[2:])
    return in_layout(fold(np.broadcast_to(tap_message, shape), axes), layout)


def divisor(axes: Sequence[Axis], count_padding: bool) -> Float64[np.ndarray, "1 1 *places"]:
    """Return n[o], the number of taps that count in each window; InputError if it is 0."""
    if not count_padding:
        return taps_on_input(axes)
    # treated as input, the padding counts; the overhang is unchanged
    return taps_on_input([replace(axis, size=axis.before + axis.size + axis.after, before=0, after=0) for axis in axes])
