"""Adaptive average pooling: images of any size to a fixed size (lecture 002, Other Techniques: Adaptive Pooling).

From n to m positions, window i is [floor(i n / m), ceil((i + 1) n / m)); z is its mean. Windows
may overlap, and differ in length. Along one axis this is z = A x with a small matrix: A[i, j] = 1 / length of window i
if j is in it, else 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, Layout, images, in_layout, in_range
from convworks.ops.whole import PerAxis, per_axis


@in_range
def forward(x: ArrayLike, *, output_size: PerAxis, layout: Layout = "channels_first") -> Array:
    """Return images [batch, channel, *output_size], each value the mean of its window.

    Raises InputError for wrong ranks, values that are not finite and sizes that are not positive.
    """
    pixels = images("x", x, layout)
    size = pixels.shape[2:]
    outputs = per_axis("output_size", output_size, len(size))
    return in_layout(along_axes(pixels, [averaging(n, m) for n, m in zip(size, outputs, strict=True)]), layout)


@in_range
def backward(message: ArrayLike, *, size: PerAxis, layout: Layout = "channels_first") -> Array:
    """Return the message at the input, images of `size`: delta_x = A' message along each axis.

    Every output distributes its message equally over the positions of its window.
    """
    delta = images("message", message, layout)
    outputs = delta.shape[2:]
    sizes = per_axis("size", size, len(outputs))
    return in_layout(along_axes(delta, [averaging(n, m).T for n, m in zip(sizes, outputs, strict=True)]), layout)


def bounds(size: int, output_size: int) -> tuple[Int64[np.ndarray, "m"], Int64[np.ndarray, "m"]]:
    """Return the starts and (exclusive) ends of the windows."""
    windows = np.arange(output_size, dtype=np.int64)
    return windows * size // output_size, -(-(windows + 1) * size // output_size)


def averaging(size: int, output_size: int) -> Float64[np.ndarray, "m n"]:
    """Return the matrix A that averages one axis."""
    begins, ends = (edge[:, None] for edge in bounds(size, output_size))
    positions = np.arange(size)
    return np.asarray(((begins <= positions) & (positions < ends)) / (ends - begins))


def along_axes(x: Array, matrices: Sequence[Float64[np.ndarray, "_ _"]]) -> Array:
    """Return x with each spatial axis multiplied by its matrix."""
    for axis, matrix in enumerate(matrices, start=2):
        x = np.asarray(np.moveaxis(np.moveaxis(x, axis, -1) @ matrix.T, -1, axis))
    return x
