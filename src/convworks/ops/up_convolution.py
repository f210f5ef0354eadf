"""Up-convolution, or transposed convolution: more positions out than in (lecture 002, Other Techniques).

    z[b, d, i] = bias[d] + sum over c and all (o, t) with o * stride + t * dilation - before = i
                 of x[b, c, o] * weight[c, d, t]

It is the backward message of a convolution, used forward: its matrix is the transposed one. Therefore its backward
message is a convolution, and its weight is [in, out / groups, *kernel].
"""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops import cross_correlation
from convworks.ops.arrays import Array, Layout, images, in_layout
from convworks.ops.cross_correlation import Gradient, check_bias, check_channels, check_weight
from convworks.ops.shape import PerAxis, per_axis, resolve_padding, up_size

#: A number of positions cut off at every border, one for each axis, or (before, after) for each axis.
Cut = int | Sequence[int | tuple[int, int]]


def forward(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    padding: Cut = 0,
    output_padding: int | Sequence[int] = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
) -> Array:
    """Return z: each input value lays a scaled kernel into the output, `stride` positions after the one before.

    `padding` cuts that many positions off the borders; `output_padding` (below the stride) adds some at the end, for a
    convolution of stride s gives one size for s sizes of its input. Errors are those of `cross_correlation.forward`.
    """
    kernel = check_weight(weight, groups)
    pixels = images("x", x, layout, kernel.ndim - 2)
    check_channels(pixels.shape[1], kernel.shape[0], kernel.shape, 1)
    size = up_sizes(pixels.shape[2:], kernel.shape[2:], stride, padding, output_padding, dilation)
    z = cross_correlation.backward(
        pixels, kernel, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    if bias is not None:
        z += check_bias(bias, z.shape[1]).reshape(-1, *[1] * len(size))
    return in_layout(z, layout)


def backward(
    message: ArrayLike,
    weight: ArrayLike,
    *,
    stride: PerAxis = 1,
    padding: Cut = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
) -> Array:
    """Return the message at the input: delta_x[b, c, o] = sum over d, t of message[b, d, i(o, t)] * weight[c, d, t]."""
    return cross_correlation.forward(
        message, weight, stride=stride, padding=padding, dilation=dilation, groups=groups, layout=layout
    )


def gradient(
    message: ArrayLike,
    x: ArrayLike,
    *,
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    padding: Cut = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
) -> Gradient:
    """Return the parameter gradient: that of the convolution from z to x, with the parts of x and message exchanged."""
    swapped = cross_correlation.gradient(
        x,
        message,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        layout=layout,
    )
    delta = images("message", message, layout)
    return Gradient(weight=swapped.weight, bias=delta.sum((0, *range(2, delta.ndim))))


def up_sizes(
    size: Sequence[int],
    kernel_size: Sequence[int],
    stride: PerAxis,
    padding: Cut,
    output_padding: int | Sequence[int],
    dilation: PerAxis,
) -> tuple[int, ...]:
    """Return the output size along each axis; raises InputError where nothing would be left of it."""
    rank = len(size)
    strides, dilations = per_axis("stride", stride, rank), per_axis("dilation", dilation, rank)
    cuts = resolve_padding(padding, kernel_size, dilations)
    more = (output_padding,) * rank if isinstance(output_padding, int) else tuple(output_padding)
    if len(more) != rank or any(not 0 <= m < s for m, s in zip(more, strides, strict=True)):
        raise InputError(
            "output_padding",
            f"output_padding={output_padding} must be at least 0 and below stride={stride}",
            "leave it out, or enlarge the stride",
        )
    found = tuple(
        up_size(n, kernel_size=k, stride=s, padding=p, dilation=d, output_padding=m)
        for n, k, s, p, d, m in zip(size, kernel_size, strides, cuts, dilations, more, strict=True)
    )
    if min(found) < 1:
        raise InputError(
            "padding", f"padding={padding} cuts everything off: the output would be {found}", "use less padding"
        )
    return found
