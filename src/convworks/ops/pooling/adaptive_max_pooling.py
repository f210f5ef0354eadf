"""Adaptive max pooling: images of any size to a fixed size (lecture 002, Other Techniques: Adaptive Pooling).

From n to m positions, window i is [floor(i n / m), ceil((i + 1) n / m)); z is its maximum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, Layout, images, in_layout, in_range, same_shape
from convworks.ops.pooling.adaptive_average_pooling import bounds
from convworks.ops.whole import PerAxis, per_axis


def forward(x: ArrayLike, *, output_size: PerAxis, layout: Layout = "channels_first") -> Array:
    """Return images [batch, channel, *output_size], each value the maximum of its window.

    Raises InputError for wrong ranks, values that are not finite and sizes that are not positive.
    """
    pixels = images("x", x, layout)
    outputs = per_axis("output_size", output_size, pixels.ndim - 2)
    flat = pixels.reshape(*pixels.shape[:2], -1)
    z = flat[:, :, members(pixels.shape[2:], outputs)].max(-1)
    return in_layout(z.reshape(*pixels.shape[:2], *outputs), layout)


@in_range
def backward(message: ArrayLike, x: ArrayLike, *, output_size: PerAxis, layout: Layout = "channels_first") -> Array:
    """Return the message at the input: each window sends its message to its maximum (001, Max Pooling Gradient).

    delta_x[b, c, i] = sum over the windows o whose maximum is at i of message[b, c, o]

    Among equal values, the first in row-major order is the maximum.
    """
    pixels = images("x", x, layout)
    outputs = per_axis("output_size", output_size, pixels.ndim - 2)
    delta = images("message", message, layout, len(outputs))
    same_shape("message", delta, (*pixels.shape[:2], *outputs), layout)
    flat = pixels.reshape(*pixels.shape[:2], -1)
    table = members(pixels.shape[2:], outputs)
    maxima = table[np.arange(len(table)), flat[:, :, table].argmax(-1)]
    # windows overlap, so several messages may reach a position: they are summed per image
    offsets = np.arange(flat.shape[0] * flat.shape[1]).reshape(*flat.shape[:2], 1) * flat.shape[2]
    total = np.bincount((offsets + maxima).ravel(), weights=delta.ravel(), minlength=flat.size)
    return in_layout(total.reshape(pixels.shape), layout)


def members(size: Sequence[int], output_size: Sequence[int]) -> Int64[np.ndarray, "places taps"]:
    """Return the positions of each window in row-major order, as indices into a flattened image.

    Windows shorter than the longest repeat their last position, which changes neither maximum nor order.
    """
    table = np.zeros((1, 1), dtype=np.int64)
    for n, m in zip(size, output_size, strict=True):
        begins, ends = (edge[:, None] for edge in bounds(n, m))
        taps = np.arange((ends - begins).max())
        along = np.minimum(begins + taps, ends - 1)
        windows, length = len(table) * m, table.shape[1] * len(taps)
        table = (table[:, None, :, None] * n + along[None, :, None, :]).reshape(windows, length)
    return table
