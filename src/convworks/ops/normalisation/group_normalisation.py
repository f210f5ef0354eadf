"""Group normalisation (lecture 002, Other Techniques: Normalization; the figure of 003, Batch Normalization).

    z[b, c, i] = scale[c] * hat[b, c, i] + shift[c],   hat = (x - mean) / sqrt(variance + epsilon)

Mean and variance are those of a group of consecutive channels of one sample, over these channels and space. The
message at the input, derived, with means over the group:

    delta_x = (g - mean of g - hat * mean of g * hat) / sqrt(variance + epsilon)        with g = scale * message

Shapes: [batch, feature], [batch, channel, *size] or channels last; scale and shift [channel].
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, Layout, in_layout, in_range, same_shape
from convworks.ops.cross_correlation import check_groups
from convworks.ops.normalisation.normalise import (
    Gradient,
    channel_gradient,
    channels,
    per_channel,
    send_back,
    standardise,
)
from convworks.ops.whole import Whole


@in_range
def forward(
    x: ArrayLike,
    scale: ArrayLike,
    shift: ArrayLike,
    *,
    groups: Whole,
    epsilon: float = 1e-5,
    layout: Layout = "channels_first",
) -> Array:
    """Return z by the formula above.

    Raises InputError for wrong ranks, groups that do not divide the channels, another number of scales or shifts than
    channels, values that are not finite, and an epsilon that is negative, or 0 where all values of a group are equal.
    """
    values = channels("x", x, layout)
    factor, offset = per_channel("scale", scale, values), per_channel("shift", shift, values)
    return in_layout(_hat(values, groups, epsilon) * factor + offset, layout)


@in_range
def backward(
    message: ArrayLike,
    x: ArrayLike,
    scale: ArrayLike,
    *,
    groups: Whole,
    epsilon: float = 1e-5,
    layout: Layout = "channels_first",
) -> Array:
    """Return the message at the input, by the formula above."""
    values, delta = channels("x", x, layout), channels("message", message, layout)
    same_shape("message", delta, values.shape, layout)
    inner = delta * per_channel("scale", scale, values)
    sent = send_back(_grouped(inner, groups), _grouped(values, groups), (2,), epsilon)
    return in_layout(sent.reshape(values.shape), layout)


@in_range
def gradient(
    message: ArrayLike, x: ArrayLike, *, groups: Whole, epsilon: float = 1e-5, layout: Layout = "channels_first"
) -> Gradient:
    """Return the parameter gradient: over batch and space, the sums of message * hat and of message."""
    values, delta = channels("x", x, layout), channels("message", message, layout)
    same_shape("message", delta, values.shape, layout)
    return channel_gradient(delta, _hat(values, groups, epsilon))


def _hat(values: Array, groups: Whole, epsilon: float) -> Array:
    return standardise(_grouped(values, groups), (2,), epsilon).reshape(values.shape)


def _grouped(values: Array, groups: Whole) -> Array:
    return values.reshape(len(values), check_groups(groups, channels=values.shape[1]), -1)
