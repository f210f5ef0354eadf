"""The arithmetic shared by batch, layer, group and instance normalisation, which differ only in their axes.

Over the m values x[i] that are normalised together (lectures 000, 003 and 004, Batch Normalization):

    mean = sum of x[i] / m,   variance = sum of (x[i] - mean)^2 / m,   hat[i] = (x[i] - mean) / sqrt(variance + epsilon)

    delta_x[i] = (g[i] - mean of g - hat[i] * mean of g * hat) / sqrt(variance + epsilon)     with message g at hat

The last line is the derivative through hat, mean and variance: moving one x[i] moves the mean (second term) and the
variance (third).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, Layout, TooLargeError, check_layout, floats, images

Axes = tuple[int, ...]


class Gradient(NamedTuple):
    """The derivative of the loss by each scale and each shift, in their shape."""

    scale: Array
    shift: Array


def standardise(x: Array, axes: Axes, epsilon: float) -> Array:
    """Return hat: zero mean and, up to epsilon, unit variance over `axes`."""
    centred = x - average(x, axes)
    return np.asarray(centred * _inverse_deviation(centred, axes, epsilon))


def average(x: Array, axes: Axes) -> Array:
    """Return the mean over `axes` (keepdims). The mean of equal values is exact."""
    least = x.min(axes, keepdims=True)
    return np.asarray(np.where(x.max(axes, keepdims=True) == least, least, x.mean(axes, keepdims=True)))


def send_back(message: Array, x: Array, axes: Axes, epsilon: float) -> Array:
    """Return the message at x from the message g at hat, by the formula above."""
    centred = x - average(x, axes)
    inverse = _inverse_deviation(centred, axes, epsilon)
    hat = centred * inverse
    common = message.mean(axes, keepdims=True) + hat * (message * hat).mean(axes, keepdims=True)
    return np.asarray(inverse * (message - common))


def inverse_square_root(variance: Array, epsilon: float) -> Array:
    """Return 1 / sqrt(variance + epsilon); InputError for an epsilon that is negative, or 0 with a variance of 0."""
    if not (math.isfinite(epsilon) and epsilon >= 0):
        raise InputError("epsilon", f"epsilon={epsilon} must be finite and not negative", "1e-5 is usual")
    if epsilon == 0 and not variance.all():
        raise InputError("epsilon", "epsilon=0 divides by a variance of 0, as equal values have", "1e-5 is usual")
    return np.asarray(1.0 / np.sqrt(variance + epsilon))


def channels(name: str, values: ArrayLike, layout: Layout) -> Array:
    """Return [batch, feature] or images as float64, images as [batch, channel, *size]."""
    check_layout(layout)
    array = floats(name, values)
    if array.ndim not in (2, 3, 4, 5) or 0 in array.shape:
        raise InputError(
            name,
            f"must be [batch, feature] or images of 1 to 3 axes, none of them empty, got shape {array.shape}",
            "reshape it",
        )
    return array if array.ndim == 2 else images(name, array, layout)


def per_channel(name: str, values: ArrayLike, like: Array) -> Array:
    """Return one value per channel of `like`, shaped to broadcast with it; InputError for another count."""
    array = floats(name, values, "channel")
    if len(array) != like.shape[1]:
        raise InputError(name, f"has {len(array)} values for {like.shape[1]} channels", "give one per channel")
    return array.reshape(-1, *[1] * (like.ndim - 2))


def channel_gradient(message: Array, hat: Array) -> Gradient:
    """Return the sums over batch and space of message * hat and of message: the gradient of scale and shift."""
    axes = (0, *range(2, message.ndim))
    return Gradient(scale=np.asarray((message * hat).sum(axes)), shift=np.asarray(message.sum(axes)))


def _inverse_deviation(centred: Array, axes: Axes, epsilon: float) -> Array:
    variance = np.asarray((centred**2).mean(axes, keepdims=True))
    if not np.isfinite(variance).all():  # its inverse would become 0, which is finite
        raise TooLargeError("x")
    return inverse_square_root(variance, epsilon)
