"""One unit of an up-convolution: the terms of a convolution with the directions exchanged."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from convworks.ops.arrays import images
from convworks.ops.cross_correlation import check_bias, check_weight
from convworks.ops.shape import PerAxis
from convworks.ops.unit import convolution
from convworks.ops.unit.terms import Terms, terms
from convworks.ops.up_convolution import Cut, up_sizes


def forward(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    unit: Sequence[int],
    stride: PerAxis = 1,
    padding: Cut = 0,
    output_padding: int | Sequence[int] = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Terms:
    """Return the terms of z[unit], (b, d, *i): x[b, c, o] * weight[c, d, t] over all c and (o, t) that meet at i."""
    kernel = check_weight(weight, groups)
    pixels = images("x", x, "channels_first", kernel.ndim - 2)
    size = up_sizes(pixels.shape[2:], kernel.shape[2:], stride, padding, output_padding, dilation)
    found = convolution.backward(
        pixels, kernel, position=unit, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    offset = 0.0 if bias is None else float(check_bias(bias, kernel.shape[1] * groups)[unit[1]])
    return terms(found.values, found.weights, found.places, found.weight_places, offset)


def backward(
    message: ArrayLike,
    weight: ArrayLike,
    *,
    position: Sequence[int],
    stride: PerAxis = 1,
    padding: Cut = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Terms:
    """Return the terms of the message at x[position], (b, c, *o): message[b, d, i] * weight[c, d, t]."""
    return convolution.forward(
        message, weight, unit=position, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def gradient(
    message: ArrayLike,
    x: ArrayLike,
    *,
    index: Sequence[int],
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    padding: Cut = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Terms:
    """Return the terms of d loss / d weight[index], (c, d, *t): x[b, c, o] times the message where the tap laid it."""
    found = convolution.gradient(
        x,
        message,
        index=index,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    return terms(found.weights, found.values, found.weight_places, found.places)
