"""Batch normalisation (lectures 000 and 003, Batch Normalization; 004, Batch Normalization; Ioffe and Szegedy, 2015).

    z[b, c, i] = scale[c] * hat[b, c, i] + shift[c],   hat = (x - mean[c]) / sqrt(variance[c] + epsilon)

In training, mean and variance are those of the mini-batch, over the m = batch * places values of each channel; the
variance divides by m. In inference they are fixed. The message at the input of the training transform, derived:

    delta_x = scale / sqrt(variance + epsilon) * (message - mean of message - hat * mean of message * hat)

with means over the same m values. Shapes: [batch, feature], [batch, channel, *size] or channels last; scale and shift
[channel].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, Layout, floats, in_layout, same_shape
from convworks.ops.normalise import (
    Axes,
    Gradient,
    channel_gradient,
    channels,
    inverse_square_root,
    per_channel,
    send_back,
    standardise,
)


class Statistics(NamedTuple):
    """The mean and the variance of each channel."""

    mean: Array
    variance: Array


def forward(
    x: ArrayLike, scale: ArrayLike, shift: ArrayLike, *, epsilon: float = 1e-5, layout: Layout = "channels_first"
) -> Array:
    """Return z with the statistics of the mini-batch (training).

    Raises InputError for wrong ranks, another number of scales or shifts than channels, values that are not finite,
    and an epsilon that is negative, or 0 where a channel has one value only.
    """
    values = channels("x", x, layout)
    factor, offset = per_channel("scale", scale, values), per_channel("shift", shift, values)
    return in_layout(standardise(values, _together(values), epsilon) * factor + offset, layout)


def statistics(x: ArrayLike, *, layout: Layout = "channels_first") -> Statistics:
    """Return mean and variance of each channel over batch and space; the variance divides by m (the biased one)."""
    values = channels("x", x, layout)
    axes = _together(values)
    return Statistics(mean=np.asarray(values.mean(axes)), variance=np.asarray(values.var(axes)))


def moving(old: Statistics, new: Statistics, momentum: float = 0.1, count: int | None = None) -> Statistics:
    """Return the exponential average (1 - momentum) * old + momentum * new (lecture 003, Batch Normalization).

    With `count`, the number m of values that each of the new means was taken over, the new variance is the unbiased
    one, m / (m - 1) times that of `statistics`: so Ioffe and Szegedy infer, and so are PyTorch's running statistics
    kept. Without, it is averaged as it is. Raises InputError for a momentum outside 0 to 1 and a count below 2.
    """
    if not 0 <= momentum <= 1:
        raise InputError("momentum", f"momentum={momentum} must lie between 0 and 1", "0.1 is usual")
    if count is not None and count < 2:
        raise InputError("count", f"count={count} leaves no unbiased variance", "it takes at least 2 values a channel")
    before, now = _check(old, "old"), _check(new, "new")
    same_shape("new.mean", now.mean, before.mean.shape)
    unbiased = 1.0 if count is None else count / (count - 1)
    return Statistics(
        mean=(1 - momentum) * before.mean + momentum * now.mean,
        variance=(1 - momentum) * before.variance + momentum * unbiased * now.variance,
    )


def inference(
    x: ArrayLike,
    scale: ArrayLike,
    shift: ArrayLike,
    statistics: Statistics,
    *,
    epsilon: float = 1e-5,
    layout: Layout = "channels_first",
) -> Array:
    """Return z with fixed statistics: an affine map of each channel (lecture 003, Batch Normalization, last lines)."""
    values = channels("x", x, layout)
    factor, offset = per_channel("scale", scale, values), per_channel("shift", shift, values)
    return in_layout(_fixed(values, statistics, epsilon) * factor + offset, layout)


def backward(
    message: ArrayLike, x: ArrayLike, scale: ArrayLike, *, epsilon: float = 1e-5, layout: Layout = "channels_first"
) -> Array:
    """Return the message at the input of the training transform, by the formula above."""
    values, delta = channels("x", x, layout), channels("message", message, layout)
    same_shape("message", delta, values.shape)
    factor = per_channel("scale", scale, values)
    return in_layout(send_back(delta * factor, values, _together(values), epsilon), layout)


def backward_inference(
    message: ArrayLike,
    scale: ArrayLike,
    statistics: Statistics,
    *,
    epsilon: float = 1e-5,
    layout: Layout = "channels_first",
) -> Array:
    """Return the message at the input with fixed statistics: message * scale / sqrt(variance + epsilon)."""
    delta = channels("message", message, layout)
    variance = per_channel("statistics.variance", _check(statistics).variance, delta)
    return in_layout(delta * per_channel("scale", scale, delta) * inverse_square_root(variance, epsilon), layout)


def gradient(message: ArrayLike, x: ArrayLike, *, epsilon: float = 1e-5, layout: Layout = "channels_first") -> Gradient:
    """Return the parameter gradient in training, sums over batch and space.

    d loss / d scale[c] = sum of message * hat,   d loss / d shift[c] = sum of message
    """
    values, delta = channels("x", x, layout), channels("message", message, layout)
    same_shape("message", delta, values.shape)
    return channel_gradient(delta, standardise(values, _together(values), epsilon))


def gradient_inference(
    message: ArrayLike,
    x: ArrayLike,
    statistics: Statistics,
    *,
    epsilon: float = 1e-5,
    layout: Layout = "channels_first",
) -> Gradient:
    """Return the parameter gradient with fixed statistics: the same sums, hat taken with the fixed statistics."""
    values, delta = channels("x", x, layout), channels("message", message, layout)
    same_shape("message", delta, values.shape)
    return channel_gradient(delta, _fixed(values, statistics, epsilon))


def _together(values: Array) -> Axes:
    return (0, *range(2, values.ndim))


def _fixed(values: Array, statistics: Statistics, epsilon: float) -> Array:
    mean, variance = _check(statistics)
    inverse = inverse_square_root(per_channel("statistics.variance", variance, values), epsilon)
    return np.asarray((values - per_channel("statistics.mean", mean, values)) * inverse)


def _check(statistics: Statistics, name: str = "statistics") -> Statistics:
    mean = floats(f"{name}.mean", statistics.mean, "channel")
    variance = floats(f"{name}.variance", statistics.variance, "channel")
    same_shape(f"{name}.variance", variance, mean.shape)
    if (variance < 0).any():
        raise InputError(f"{name}.variance", f"is {variance.min()} and must not be negative", "mean comes first")
    return Statistics(mean=mean, variance=variance)
