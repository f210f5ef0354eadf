"""Batch normalisation (lectures 000 and 003, Batch Normalization; 004, Batch Normalization; Ioffe and Szegedy, 2015).

    z[b, c, i] = scale[c] * hat[b, c, i] + shift[c],   hat = (x - mean[c]) / sqrt(variance[c] + epsilon)

In training, mean and variance are those of the mini-batch, over the m = batch * positions values of each channel; the
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
from convworks.ops.arrays import Array, Layout, floats, in_layout, in_range, same_shape
from convworks.ops.normalisation.normalise import (
    Axes,
    Gradient,
    average,
    channel_gradient,
    channels,
    inverse_square_root,
    per_channel,
    send_back,
    standardise,
)
from convworks.ops.whole import Whole, whole

#: A mean and a variance of each channel.
Moments = tuple[ArrayLike, ArrayLike]


class Statistics(NamedTuple):
    """The mean and the variance of each channel."""

    mean: Array
    variance: Array


@in_range
def forward(
    x: ArrayLike, scale: ArrayLike, shift: ArrayLike, *, epsilon: float = 1e-5, layout: Layout = "channels_first"
) -> Array:
    """Return z with the statistics of the mini-batch (training).

    Raises InputError for wrong ranks, a number of scales or shifts other than the channels, values that are not finite,
    and an epsilon that is negative, or 0 where all values of a channel are equal.
    """
    values = channels("x", x, layout)
    factor, offset = per_channel("scale", scale, values), per_channel("shift", shift, values)
    return in_layout(standardise(values, _batch_axes(values), epsilon) * factor + offset, layout)


@in_range
def statistics(x: ArrayLike, *, layout: Layout = "channels_first") -> Statistics:
    """Return mean and variance of each channel over batch and space; the variance divides by m (the biased one)."""
    values = channels("x", x, layout)
    axes = _batch_axes(values)
    mean = average(values, axes)
    return Statistics(mean=mean.reshape(-1), variance=np.asarray(((values - mean) ** 2).mean(axes)))


@in_range
def moving(old: Moments, new: Moments, momentum: float = 0.1, count: Whole | None = None) -> Statistics:
    """Return the exponential average (1 - momentum) * old + momentum * new (lecture 003, Batch Normalization).

    With `count`, the number m of values in each of the new means, the new variance is the unbiased one, m / (m - 1)
    times that of `statistics`, as in Ioffe and Szegedy's inference and PyTorch's running statistics. Without it, the
    variance is averaged unchanged. Raises InputError for a momentum outside 0 to 1 and a count below 2.
    """
    if not 0 <= momentum <= 1:
        raise InputError("momentum", f"momentum={momentum} must lie between 0 and 1", "0.1 is usual")
    old_statistics, new_statistics = check_statistics(old, "old"), check_statistics(new, "new")
    same_shape("new.mean", new_statistics.mean, old_statistics.mean.shape)
    unbiased = 1.0
    if count is not None:
        number = whole("count", count, least=None)
        if number < 2:
            raise InputError("count", f"count={number} leaves no unbiased variance", "it takes 2 values a channel")
        unbiased = number / (number - 1)
    return Statistics(
        mean=(1 - momentum) * old_statistics.mean + momentum * new_statistics.mean,
        variance=(1 - momentum) * old_statistics.variance + momentum * unbiased * new_statistics.variance,
    )


@in_range
def inference(
    x: ArrayLike,
    scale: ArrayLike,
    shift: ArrayLike,
    statistics: Moments,
    *,
    epsilon: float = 1e-5,
    layout: Layout = "channels_first",
) -> Array:
    """Return z with fixed statistics: an affine map of each channel (lecture 003, Batch Normalization, last lines)."""
    values = channels("x", x, layout)
    factor, offset = per_channel("scale", scale, values), per_channel("shift", shift, values)
    return in_layout(_standardise_fixed(values, statistics, epsilon) * factor + offset, layout)


@in_range
def backward(
    message: ArrayLike, x: ArrayLike, scale: ArrayLike, *, epsilon: float = 1e-5, layout: Layout = "channels_first"
) -> Array:
    """Return the message at the input of the training transform, by the formula above."""
    values, delta = channels("x", x, layout), channels("message", message, layout)
    same_shape("message", delta, values.shape, layout)
    factor = per_channel("scale", scale, values)
    return in_layout(send_back(delta * factor, values, _batch_axes(values), epsilon), layout)


@in_range
def backward_inference(
    message: ArrayLike,
    scale: ArrayLike,
    statistics: Moments,
    *,
    epsilon: float = 1e-5,
    layout: Layout = "channels_first",
) -> Array:
    """Return the message at the input with fixed statistics: message * scale / sqrt(variance + epsilon)."""
    delta = channels("message", message, layout)
    variance = per_channel("statistics.variance", check_statistics(statistics).variance, delta)
    return in_layout(delta * per_channel("scale", scale, delta) * inverse_square_root(variance, epsilon), layout)


@in_range
def gradient(message: ArrayLike, x: ArrayLike, *, epsilon: float = 1e-5, layout: Layout = "channels_first") -> Gradient:
    """Return the parameter gradient in training, sums over batch and space.

    d loss / d scale[c] = sum of message * hat,   d loss / d shift[c] = sum of message
    """
    values, delta = channels("x", x, layout), channels("message", message, layout)
    same_shape("message", delta, values.shape, layout)
    return channel_gradient(delta, standardise(values, _batch_axes(values), epsilon))


@in_range
def gradient_inference(
    message: ArrayLike,
    x: ArrayLike,
    statistics: Moments,
    *,
    epsilon: float = 1e-5,
    layout: Layout = "channels_first",
) -> Gradient:
    """Return the parameter gradient with fixed statistics: the same sums, hat taken with the fixed statistics."""
    values, delta = channels("x", x, layout), channels("message", message, layout)
    same_shape("message", delta, values.shape, layout)
    return channel_gradient(delta, _standardise_fixed(values, statistics, epsilon))


def check_statistics(statistics: Moments, name: str = "statistics") -> Statistics:
    """Return mean and variance of each channel as arrays, or raise InputError unless they are such a pair."""
    if not (isinstance(statistics, tuple | list) and len(statistics) == 2):
        raise InputError(name, "must be a pair (mean, variance)", "make it with batch_normalisation.statistics")
    mean = floats(f"{name}.mean", statistics[0], "channel")
    variance = floats(f"{name}.variance", statistics[1], "channel")
    same_shape(f"{name}.variance", variance, mean.shape)
    if (variance < 0).any():
        raise InputError(f"{name}.variance", f"is {variance.min()} and must not be negative", "mean comes first")
    return Statistics(mean=mean, variance=variance)


def _batch_axes(values: Array) -> Axes:
    return (0, *range(2, values.ndim))


def _standardise_fixed(values: Array, statistics: Moments, epsilon: float) -> Array:
    mean, variance = check_statistics(statistics)
    inverse = inverse_square_root(per_channel("statistics.variance", variance, values), epsilon)
    return np.asarray((values - per_channel("statistics.mean", mean, values)) * inverse)
