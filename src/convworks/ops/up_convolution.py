"""Up-convolution, or transposed convolution: more positions out than in (lecture 002, Other Techniques).

    z[b, d, i] = bias[d] + sum over c and all (o, t) with o * stride + t * dilation - before = i
                 of x[b, c, o] * weight[c, d, t]

Its forward pass is the backward message of a convolution, with the transposed matrix. Therefore its backward message is
a convolution, and its weight is [in, out / groups, *kernel].
"""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, Layout, images, in_layout, in_range
from convworks.ops.cross_correlation import (
    Gradient,
    check_bias,
    check_groups,
    check_weight,
    products,
    sent_back,
    weighted,
)
from convworks.ops.shape import Axis, Zeros, resolve_padding, sliding, up_size
from convworks.ops.whole import PerAxis, Whole, per_axis


@in_range
def forward(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    padding: Zeros = 0,
    output_padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: Whole = 1,
    layout: Layout = "channels_first",
) -> Array:
    """Return z: each input value adds a scaled kernel to the output, `stride` positions after the previous one.

    `padding` removes that many positions at the borders; `output_padding` (below the stride) adds some at the end, as
    a convolution of stride s maps s input sizes to one output size. Errors are those of `cross_correlation.forward`.
    """
    kernel = check_weight(weight, "in, out")
    pixels = images("x", x, layout, kernel.ndim - 2)
    count = check_up_channels(pixels, kernel, groups)
    size = up_sizes(pixels.shape[2:], kernel.shape[2:], stride, padding, output_padding, dilation)
    axes = sliding(size, kernel.shape[2:], stride, padding, dilation)
    z = sent_back(pixels, kernel, axes, count)
    if bias is not None:
        z += check_bias(bias, z.shape[1]).reshape(-1, *[1] * len(size))
    return in_layout(z, layout)


@in_range
def backward(
    message: ArrayLike,
    weight: ArrayLike,
    *,
    stride: PerAxis = 1,
    padding: Zeros = 0,
    dilation: PerAxis = 1,
    groups: Whole = 1,
    layout: Layout = "channels_first",
) -> Array:
    """Return the message at the input: delta_x[b, c, o] = sum over d, t of message[b, d, i(o, t)] * weight[c, d, t]."""
    kernel = check_weight(weight, "in, out")
    delta = images("message", message, layout, kernel.ndim - 2)
    count = check_up_message(delta, kernel, groups)
    axes = sliding(delta.shape[2:], kernel.shape[2:], stride, padding, dilation)
    return in_layout(weighted(delta, kernel, axes, count), layout)


@in_range
def gradient(
    message: ArrayLike,
    x: ArrayLike,
    *,
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    padding: Zeros = 0,
    dilation: PerAxis = 1,
    groups: Whole = 1,
    layout: Layout = "channels_first",
) -> Gradient:
    """Return the parameter gradient: that of the convolution from z to x, with the roles of x and message exchanged."""
    pixels = images("x", x, layout)
    delta = images("message", message, layout, pixels.ndim - 2)
    count = check_groups(groups, in_channels=pixels.shape[1], out_channels=delta.shape[1])
    axes = sliding(delta.shape[2:], kernel_size, stride, padding, dilation)
    check_up_sizes(delta, pixels, axes)
    weight = products(pixels, delta, axes, count)
    return Gradient(weight=weight, bias=delta.sum((0, *range(2, delta.ndim))))


def up_sizes(
    size: Sequence[int],
    kernel_size: Sequence[int],
    stride: PerAxis,
    padding: Zeros,
    output_padding: PerAxis,
    dilation: PerAxis,
) -> tuple[int, ...]:
    """Return the output size along each axis; raises InputError if it is not positive."""
    rank = len(size)
    strides, dilations = per_axis("stride", stride, rank), per_axis("dilation", dilation, rank)
    cuts = resolve_padding(padding, kernel_size, dilations)
    output_paddings = per_axis("output_padding", output_padding, rank, least=0)
    return tuple(
        up_size(n, kernel_size=k, stride=s, padding=p, dilation=d, output_padding=m)
        for n, k, s, p, d, m in zip(size, kernel_size, strides, cuts, dilations, output_paddings, strict=True)
    )


def check_up_channels(pixels: Array, kernel: Array, groups: Whole) -> int:
    """Return `groups`, or raise InputError unless they, the images' channels and the weight's agree."""
    if pixels.shape[1] != len(kernel):
        raise InputError(
            "x",
            f"has {pixels.shape[1]} channels, and weight of shape {kernel.shape} needs {len(kernel)}",
            "the weight of an up-convolution is [in, out / groups, *kernel]",
        )
    return check_groups(groups, in_channels=len(kernel))


def check_up_message(delta: Array, kernel: Array, groups: Whole) -> int:
    """Return `groups`, or raise InputError unless the message has the channels of the output."""
    count = check_groups(groups, in_channels=len(kernel))
    if delta.shape[1] != kernel.shape[1] * count:
        raise InputError(
            "message",
            f"has {delta.shape[1]} channels, and the output of a weight of shape {kernel.shape} with groups={count} "
            f"has {kernel.shape[1] * count}",
            "the weight of an up-convolution is [in, out / groups, *kernel]",
        )
    return count


def check_up_sizes(delta: Array, pixels: Array, axes: Sequence[Axis]) -> None:
    """Raise InputError unless a message has the batch and size of the output of an up-convolution."""
    sizes = tuple(axis.output for axis in axes)
    if (len(delta), *sizes) != (len(pixels), *pixels.shape[2:]):
        raise InputError(
            "message",
            f"of batch {len(delta)} and size {delta.shape[2:]} belongs to x of batch {len(delta)} and size {sizes}, "
            f"got x of batch {len(pixels)} and size {pixels.shape[2:]}",
            "check the order, kernel_size, stride and padding",
        )
