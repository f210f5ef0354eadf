"""Cross-correlation: what convolution layers compute (lectures 000 and 003, Convolution Operation; 001, Convolution).

    z[b, d, o] = bias[d] + sum over c, t of x[b, c, o * stride + t * dilation - before] * weight[d, c, t]

o (place) and t (tap) have one, two or three axes. With groups, the output channels of a group see its input channels
only. Shapes: images [batch, channel, *size] (or channels last), weight [out, in / groups, *kernel], bias [out].
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, Layout, floats, images, in_layout, same_shape
from convworks.ops.shape import Padding, PerAxis, per_axis, sliding
from convworks.ops.windows import columns, fold


class Gradient(NamedTuple):
    """The derivative of the loss by each weight [out, in / groups, *kernel] and each bias [out]."""

    weight: Array
    bias: Array


def forward(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
) -> Array:
    """Return z by the formula above (lecture 001, Convolution in 2D: Forward Message).

    Raises InputError for ranks and channels that do not match, groups that do not divide them, a kernel larger than
    the padded input, and values that are not finite.
    """
    kernel = check_weight(weight, groups)
    pixels = images("x", x, layout, kernel.ndim - 2)
    check_channels(pixels.shape[1], kernel.shape[1] * groups, kernel.shape, groups)
    axes = sliding(pixels.shape[2:], kernel.shape[2:], stride, padding, dilation)
    rows = kernel.reshape(groups, kernel.shape[0] // groups, -1)
    # z as one matrix product a group: [out, taps] @ [taps, places]
    z = (rows @ columns(pixels, axes, groups)).reshape(len(pixels), kernel.shape[0], *(axis.output for axis in axes))
    if bias is not None:
        z += check_bias(bias, kernel.shape[0]).reshape(-1, *[1] * len(axes))
    return in_layout(z, layout)


def backward(
    message: ArrayLike,
    weight: ArrayLike,
    *,
    size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
) -> Array:
    """Return the message at the input, images of `size` (lecture 001, Convolution in 2D: Backward Message):

    delta_x[b, c, i] = sum over d and all (o, t) with o * stride + t * dilation - before = i
                       of message[b, d, o] * weight[d, c, t]
    """  # noqa: D415
    kernel = check_weight(weight, groups)
    rank = kernel.ndim - 2
    delta = images("message", message, layout, rank)
    axes = sliding(per_axis("size", size, rank), kernel.shape[2:], stride, padding, dilation)
    same_shape("message", delta, (len(delta), kernel.shape[0], *(axis.output for axis in axes)))
    rows = kernel.reshape(groups, kernel.shape[0] // groups, -1)
    places = delta.reshape(len(delta), groups, kernel.shape[0] // groups, -1)
    # what each tap of each window sends back: [taps, out] @ [out, places]
    parts = rows.transpose(0, 2, 1) @ places
    shape = (len(delta), kernel.shape[1] * groups, *kernel.shape[2:], *(axis.output for axis in axes))
    return in_layout(fold(parts.reshape(shape), axes), layout)


def gradient(
    message: ArrayLike,
    x: ArrayLike,
    *,
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
) -> Gradient:
    """Return the parameter gradient (lecture 001, Convolution in 2D: Parameter Gradient):

    d loss / d weight[d, c, t] = sum over b, o of message[b, d, o] * x[b, c, o * stride + t * dilation - before]
    d loss / d bias[d]         = sum over b, o of message[b, d, o]
    """  # noqa: D415
    pixels = images("x", x, layout)
    rank = pixels.ndim - 2
    delta = images("message", message, layout, rank)
    check_groups(groups, delta.shape[1], pixels.shape[1])
    axes = sliding(pixels.shape[2:], kernel_size, stride, padding, dilation)
    same_shape("message", delta, (len(pixels), delta.shape[1], *(axis.output for axis in axes)))
    places = delta.reshape(len(delta), groups, delta.shape[1] // groups, -1)
    seen = columns(pixels, axes, groups)
    weight = (places @ seen.transpose(0, 1, 3, 2)).sum(0)  # [out, places] @ [places, taps]
    shape = (delta.shape[1], pixels.shape[1] // groups, *(axis.kernel_size for axis in axes))
    return Gradient(weight=weight.reshape(shape), bias=delta.sum((0, *range(2, delta.ndim))))


def check_weight(weight: ArrayLike, groups: int) -> Float64[np.ndarray, "d c *kernel"]:
    """Return the weight as an array, or raise InputError: 1 to 3 kernel axes, groups that divide."""
    kernel = floats("weight", weight)
    if kernel.ndim not in (3, 4, 5) or 0 in kernel.shape:
        raise InputError(
            "weight",
            f"must be [out, in / groups, *kernel] with 1 to 3 kernel axes, got shape {kernel.shape}",
            "reshape it",
        )
    check_groups(groups, kernel.shape[0], kernel.shape[1] * groups)
    return kernel


def check_groups(groups: int, out_channels: int, in_channels: int) -> None:
    """Raise InputError unless `groups` is positive and divides the channels on both sides."""
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if groups < 1 or channels % groups:
            common = math.gcd(in_channels, out_channels)
            divisors = [n for n in range(1, common + 1) if common % n == 0]
            raise InputError(
                "groups",
                f"groups={groups} must divide {name}={channels}",
                f"both are divided by {', '.join(map(str, divisors))}",
            )


def check_channels(got: int, wanted: int, shape: tuple[int, ...], groups: int) -> None:
    """Raise InputError unless images have the channels that the weight expects."""
    if got % groups:
        check_groups(groups, shape[0], got)
    if got != wanted:
        raise InputError(
            "x",
            f"has {got} channels, and weight of shape {shape} with groups={groups} needs {wanted}",
            "filter channels must match input channels",
        )


def check_bias(bias: ArrayLike, out_channels: int) -> Float64[np.ndarray, "d"]:
    """Return the bias as an array, or raise InputError unless there is one for each output channel."""
    values = floats("bias", bias, "out")
    if len(values) != out_channels:
        raise InputError("bias", f"has {len(values)} values for {out_channels} output channels", "give one a channel")
    return values
