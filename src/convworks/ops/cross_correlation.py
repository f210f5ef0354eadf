"""Cross-correlation: what convolution layers compute (lectures 000 and 003, Convolution Operation; 001, Convolution).

    z[b, d, o] = bias[d] + sum over c, t of x[b, c, o * stride + t * dilation - before] * weight[d, c, t]

o (output position) and t (tap) have one, two or three axes; `before` is the padding before the first position of an
axis. With groups, the output channels of a group read only its input channels. Shapes: images [batch, channel, *size]
(or channels last), weight [out, in / groups, *kernel], bias [out].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, Layout, floats, images, in_layout, in_range, same_shape
from convworks.ops.shape import Axis, Padding, sliding
from convworks.ops.whole import PerAxis, Whole, per_axis, whole
from convworks.ops.windows import columns, fold


class Gradient(NamedTuple):
    """The derivative of the loss by each weight, in the weight's shape, and each bias [out]."""

    weight: Array
    bias: Array


@in_range
def forward(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: Whole = 1,
    layout: Layout = "channels_first",
) -> Array:
    """Return z by the formula above (lecture 001, Convolution in 2D: Forward Message).

    Raises InputError for ranks and channels that do not match, groups that do not divide them, a kernel larger than
    the padded input, and values that are not finite.
    """
    kernel = check_weight(weight)
    pixels = images("x", x, layout, kernel.ndim - 2)
    count = check_channels("x", pixels, kernel, groups)
    axes = sliding(pixels.shape[2:], kernel.shape[2:], stride, padding, dilation)
    z = weighted(pixels, kernel, axes, count)
    if bias is not None:
        z += check_bias(bias, kernel.shape[0]).reshape(-1, *[1] * len(axes))
    return in_layout(z, layout)


@in_range
def backward(
    message: ArrayLike,
    weight: ArrayLike,
    *,
    size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: Whole = 1,
    layout: Layout = "channels_first",
) -> Array:
    """Return the message at the input, images of `size` (lecture 001, Convolution in 2D: Backward Message):

    delta_x[b, c, i] = sum over d and all (o, t) with o * stride + t * dilation - before = i
                       of message[b, d, o] * weight[d, c, t]
    """  # noqa: D415
    kernel = check_weight(weight)
    count, rank = check_groups(groups, out_channels=len(kernel)), kernel.ndim - 2
    delta = images("message", message, layout, rank)
    axes = sliding(per_axis("size", size, rank), kernel.shape[2:], stride, padding, dilation)
    same_shape("message", delta, (len(delta), len(kernel), *(axis.output for axis in axes)), layout)
    return in_layout(sent_back(delta, kernel, axes, count), layout)


@in_range
def gradient(
    message: ArrayLike,
    x: ArrayLike,
    *,
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: Whole = 1,
    layout: Layout = "channels_first",
) -> Gradient:
    """Return the parameter gradient (lecture 001, Convolution in 2D: Parameter Gradient):

    d loss / d weight[d, c, t] = sum over b, o of message[b, d, o] * x[b, c, o * stride + t * dilation - before]
    d loss / d bias[d]         = sum over b, o of message[b, d, o]
    """  # noqa: D415
    pixels = images("x", x, layout)
    rank = pixels.ndim - 2
    delta = images("message", message, layout, rank)
    count = check_groups(groups, in_channels=pixels.shape[1], out_channels=delta.shape[1])
    axes = sliding(pixels.shape[2:], kernel_size, stride, padding, dilation)
    same_shape("message", delta, (len(pixels), delta.shape[1], *(axis.output for axis in axes)), layout)
    return Gradient(weight=products(delta, pixels, axes, count), bias=delta.sum((0, *range(2, delta.ndim))))


def weighted(pixels: Array, kernel: Array, axes: Sequence[Axis], groups: int) -> Array:
    """Return z without bias, one matrix product per group: [out, taps] @ [taps, positions]."""
    rows = kernel.reshape(groups, len(kernel) // groups, -1)
    z = np.asarray(rows @ columns(pixels, axes, groups))
    return z.reshape(len(pixels), len(kernel), *(axis.output for axis in axes))


def sent_back(delta: Array, kernel: Array, axes: Sequence[Axis], groups: int) -> Array:
    """Return the message at the input: [taps, out] @ [out, positions] per group, summed over overlapping windows."""
    rows = kernel.reshape(groups, len(kernel) // groups, -1)
    parts = rows.transpose(0, 2, 1) @ delta.reshape(len(delta), groups, len(kernel) // groups, -1)
    shape = (len(delta), kernel.shape[1] * groups, *kernel.shape[2:], *(axis.output for axis in axes))
    return fold(parts.reshape(shape), axes)


def products(delta: Array, pixels: Array, axes: Sequence[Axis], groups: int) -> Array:
    """Return the weight gradient: [out, positions] @ [positions, taps] per group, summed over the batch."""
    messages = delta.reshape(len(delta), groups, delta.shape[1] // groups, -1)
    weight = np.asarray((messages @ columns(pixels, axes, groups).transpose(0, 1, 3, 2)).sum(0))
    return weight.reshape(delta.shape[1], pixels.shape[1] // groups, *(axis.kernel_size for axis in axes))


def check_weight(weight: ArrayLike, sides: str = "out, in") -> Float64[np.ndarray, "d c *kernel"]:
    """Return the weight as an array, or raise InputError unless it has 1 to 3 kernel axes."""
    kernel = floats("weight", weight)
    if kernel.ndim not in (3, 4, 5) or 0 in kernel.shape:
        raise InputError(
            "weight",
            f"must be [{sides} / groups, *kernel] with 1 to 3 kernel axes, got shape {kernel.shape}",
            "reshape it",
        )
    return kernel


def check_groups(groups: Whole, **channels: int) -> int:
    """Return `groups`, or raise InputError unless it is at least 1 and divides all the channels."""
    count = whole("groups", groups)
    for name, number in channels.items():
        if number % count:
            common = math.gcd(*channels.values())
            divisors = ", ".join(str(n) for n in range(1, common + 1) if common % n == 0)
            subject = "both are" if len(channels) == 2 else "it is"
            raise InputError(
                "groups", f"groups={count} must divide {name}={number}", f"{subject} divided by {divisors}"
            )
    return count


def check_channels(name: str, pixels: Array, kernel: Array, groups: Whole) -> int:
    """Return `groups`, or raise InputError unless they, the images' channels and the weight's agree."""
    channels = pixels.shape[1]
    count = check_groups(groups, in_channels=channels, out_channels=len(kernel))
    expected = kernel.shape[1] * count
    if channels != expected:
        raise InputError(
            name,
            f"has {channels} channels, and weight of shape {kernel.shape} with groups={count} needs {expected}",
            "filter channels must match input channels",
        )
    return count


def check_bias(bias: ArrayLike, out_channels: int) -> Float64[np.ndarray, "d"]:
    """Return the bias as an array, or raise InputError unless there is one for each output channel."""
    values = floats("bias", bias, "out")
    if len(values) != out_channels:
        raise InputError("bias", f"has {len(values)} values for {out_channels} output channels", "give one per channel")
    return values
