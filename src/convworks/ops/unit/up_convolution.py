"""One unit of an up-convolution: the terms of a convolution with forward and backward exchanged."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from convworks.ops.arrays import images
from convworks.ops.cross_correlation import check_bias, check_groups, check_weight
from convworks.ops.shape import Zeros, sliding
from convworks.ops.unit import convolution
from convworks.ops.unit.terms import Terms, index_of, terms
from convworks.ops.up_convolution import check_up_channels, check_up_message, check_up_sizes, up_sizes
from convworks.ops.whole import PerAxis, Whole


def forward(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    unit: Sequence[Whole],
    stride: PerAxis = 1,
    padding: Zeros = 0,
    output_padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: Whole = 1,
) -> Terms:
    """Return the terms of z[unit], (b, d, *i): x[b, c, o] * weight[c, d, t] over all c and (o, t) that meet at i."""
    kernel = check_weight(weight, "in, out")
    pixels = images("x", x, "channels_first", kernel.ndim - 2)
    count = check_up_channels(pixels, kernel, groups)
    size = up_sizes(pixels.shape[2:], kernel.shape[2:], stride, padding, output_padding, dilation)
    axes = sliding(size, kernel.shape[2:], stride, padding, dilation)
    channels = kernel.shape[1] * count
    index = index_of("unit", unit, (len(pixels), channels, *size))
    offset = 0.0 if bias is None else float(check_bias(bias, channels)[index[1]])
    return convolution.of_input(pixels, kernel, axes, count, index, offset)


def backward(
    message: ArrayLike,
    weight: ArrayLike,
    *,
    position: Sequence[Whole],
    stride: PerAxis = 1,
    padding: Zeros = 0,
    dilation: PerAxis = 1,
    groups: Whole = 1,
) -> Terms:
    """Return the terms of the message at x[position], (b, c, *o): message[b, d, i] * weight[c, d, t]."""
    kernel = check_weight(weight, "in, out")
    delta = images("message", message, "channels_first", kernel.ndim - 2)
    count = check_up_message(delta, kernel, groups)
    axes = sliding(delta.shape[2:], kernel.shape[2:], stride, padding, dilation)
    index = index_of("position", position, (len(delta), len(kernel), *(axis.output for axis in axes)))
    return convolution.of_output(delta, kernel, axes, count, index)


def gradient(
    message: ArrayLike,
    x: ArrayLike,
    *,
    index: Sequence[Whole],
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    padding: Zeros = 0,
    dilation: PerAxis = 1,
    groups: Whole = 1,
) -> Terms:
    """Return the terms of d loss / d weight[index], (c, d, *t): x[b, c, o] times the message where the tap laid it."""
    pixels = images("x", x, "channels_first")
    delta = images("message", message, "channels_first", pixels.ndim - 2)
    count = check_groups(groups, in_channels=pixels.shape[1], out_channels=delta.shape[1])
    axes = sliding(delta.shape[2:], kernel_size, stride, padding, dilation)
    check_up_sizes(delta, pixels, axes)
    exchanged = convolution.of_weight(pixels, delta, axes, count, index)
    return terms(exchanged.weights, exchanged.values, exchanged.weight_positions, exchanged.positions)
