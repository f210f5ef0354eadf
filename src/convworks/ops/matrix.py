"""A convolution as a matrix, a fully connected layer as a convolution, and back (lecture 001, from slide 25 on)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, Layout, floats, in_layout
from convworks.ops.cross_correlation import check_weight
from convworks.ops.shape import Padding, PerAxis, per_axis, sliding
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
    groups: int = 1,
) -> csr_array:
    """Return the sparse matrix A with z.ravel() = A @ x.ravel() for one image x of `size`, cross-correlated.

    A is [out * output positions, in * input positions]; each row holds the weights of one output unit, in the columns
    of the inputs that it sees, so the same weights come again in every row of a channel. A.T is the backward message.
    Errors are those of `cross_correlation.forward`.
    """
    from scipy.sparse import csr_array  # takes a third of a second

    kernel = check_weight(weight, groups)
    axes = sliding(per_axis("size", size, kernel.ndim - 2), kernel.shape[2:], stride, padding, dilation)
    channels = kernel.shape[1] * groups
    inputs = channels * math.prod(axis.size for axis in axes)
    places = math.prod(axis.output for axis in axes)
    # The windows of an image whose pixels are their own numbers say which input each tap sees; -1 is padding.
    numbers = np.arange(inputs, dtype=np.float64).reshape(1, channels, *(axis.size for axis in axes))
    seen = windows(numbers, axes, fill=-1.0).astype(np.int64).reshape(groups, -1, places)
    taps = kernel.reshape(groups, kernel.shape[0] // groups, -1)
    column = np.broadcast_to(seen[:, None], (*taps.shape, places))
    row = np.arange(kernel.shape[0] * places).reshape(*taps.shape[:2], 1, places)
    value = np.broadcast_to(taps[..., None], column.shape)
    inside = column >= 0
    entries = (value[inside], (np.broadcast_to(row, column.shape)[inside], column[inside]))
    return csr_array(entries, shape=(kernel.shape[0] * places, inputs))


def density(a: csr_array) -> float:
    """Return the share of a matrix's entries that are connections: stored entries over rows times columns."""
    return float(a.nnz / math.prod(a.shape))


def to_convolution(weight: ArrayLike, *, size: Sequence[int], layout: Layout = "channels_first") -> Array:
    """Return a fully connected weight [out, channels * prod(size)] as a convolution's [out, channels, *size].

    On maps of `size` (without padding) the convolution gives 1x1 maps with the layer's outputs; on larger maps it
    gives the layer's outputs for every crop. `layout` is the order in which the maps were flattened. Raises InputError
    where the inputs are no whole number of maps.
    """
    rows = floats("weight", weight, "out in")
    places = math.prod(size)
    if places < 1 or rows.shape[1] % places or not rows.shape[1]:
        shown = " x ".join(map(str, size))
        raise InputError("size", f"{shown} must divide the {rows.shape[1]} inputs of the layer", "give the map's size")
    channels = rows.shape[1] // places
    if layout == "channels_last":
        return np.moveaxis(rows.reshape(-1, *size, channels), -1, 1)
    return rows.reshape(-1, channels, *size)


def to_fully_connected(weight: ArrayLike, *, layout: Layout = "channels_first") -> Array:
    """Return the weight [out, in, *kernel] of a convolution as large as its maps as that of a layer, [out, inputs]."""
    kernel = check_weight(weight, 1)
    return np.ascontiguousarray(in_layout(kernel, layout)).reshape(len(kernel), -1)
