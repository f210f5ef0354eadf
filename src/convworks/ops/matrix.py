"""A convolution as a matrix, a fully connected layer as a convolution, and back (lecture 001, from slide 25 on)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, Layout, check_layout, floats, in_layout
from convworks.ops.cross_correlation import check_groups, check_weight
from convworks.ops.shape import Padding, sliding
from convworks.ops.whole import PerAxis, Whole, per_axis, wholes
from convworks.ops.windows import windows

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def matrix(
    weight: ArrayLike,
    *,
    size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: Whole = 1,
) -> csr_array:
    """Return the sparse matrix A with z.ravel() = A @ x.ravel() for one image x of `size`, cross-correlated.

    A is [out * output positions, in * input positions]; each row holds the weights of one output unit, in the columns
    of the inputs that it reads, so the same weights recur in every row of a channel. A.T gives the backward message.
    Errors are those of `cross_correlation.forward`.
    """
    from scipy.sparse import csr_array  # takes 0.3 s to import

    kernel = check_weight(weight)
    count = check_groups(groups, out_channels=len(kernel))
    axes = sliding(per_axis("size", size, kernel.ndim - 2), kernel.shape[2:], stride, padding, dilation)
    channels = kernel.shape[1] * count
    inputs = channels * math.prod(axis.size for axis in axes)
    positions = math.prod(axis.output for axis in axes)
    # Windows of an image that holds its own pixel indices tell which input each tap reads; -1 is padding.
    numbers = np.arange(inputs, dtype=np.float64).reshape(1, channels, *(axis.size for axis in axes))
    input_indices = windows(numbers, axes, fill=-1.0).astype(np.int64).reshape(count, -1, positions)
    taps = kernel.reshape(count, kernel.shape[0] // count, -1)
    column = np.broadcast_to(input_indices[:, None], (*taps.shape, positions))
    row = np.arange(kernel.shape[0] * positions).reshape(*taps.shape[:2], 1, positions)
    value = np.broadcast_to(taps[..., None], column.shape)
    connected = column >= 0
    entries = (value[connected], (np.broadcast_to(row, column.shape)[connected], column[connected]))
    return csr_array(entries, shape=(kernel.shape[0] * positions, inputs))


def density(a: csr_array) -> float:
    """Return the fraction of entries of a matrix that are connections: stored entries / (rows * columns)."""
    return float(a.nnz / math.prod(a.shape))


def to_convolution(weight: ArrayLike, *, size: Sequence[Whole], layout: Layout = "channels_first") -> Array:
    """Return a fully connected weight [out, channels * prod(size)] as a convolution's [out, channels, *size].

    On maps of `size` (without padding) the convolution returns 1x1 maps with the layer's outputs; on larger maps, the
    layer's outputs for every crop. `layout` is the layout in which the maps were flattened. Raises InputError if the
    size does not divide the number of inputs.
    """
    check_layout(layout)
    rows, sizes = floats("weight", weight, "out in"), wholes("size", size)
    positions = math.prod(sizes)
    if not sizes or rows.shape[1] % positions or not rows.shape[1]:
        size_text = " x ".join(map(str, sizes)) or "()"
        raise InputError(
            "size", f"{size_text} must divide the {rows.shape[1]} inputs of the layer", "give the map's size"
        )
    channels = rows.shape[1] // positions
    if layout == "channels_last":
        return np.moveaxis(rows.reshape(-1, *sizes, channels), -1, 1).copy()
    return rows.reshape(-1, channels, *sizes).copy()


def to_fully_connected(weight: ArrayLike, *, layout: Layout = "channels_first") -> Array:
    """Return the weight [out, in, *kernel] of a convolution as large as its maps as a layer's weight [out, inputs]."""
    check_layout(layout)
    kernel = check_weight(weight)
    return np.array(in_layout(kernel, layout), order="C").reshape(len(kernel), -1)  # always a copy
