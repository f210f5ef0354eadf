"""Layer normalisation (lecture 002, Other Techniques: Normalization; the figure of 003, Batch Normalization).

    z = scale * hat + shift,   hat = (x - mean) / sqrt(variance + epsilon)

Mean and variance are those of one sample, over its last `axes` axes, by default all but the batch. Scale and shift
have the shape of these axes, a value for each entry, as with PyTorch's normalized_shape. (One scale a channel, with
the mean over all channels, is `group_normalisation` with one group.) The message at the input, derived:

    delta_x = (g - mean of g - hat * mean of g * hat) / sqrt(variance + epsilon)        with g = scale * message
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, floats, in_range, same_shape
from convworks.ops.normalisation.normalise import Axes, Gradient, send_back, standardise
from convworks.ops.whole import Whole, whole


@in_range
def forward(
    x: ArrayLike, scale: ArrayLike, shift: ArrayLike, *, axes: Whole | None = None, epsilon: float = 1e-5
) -> Array:
    """Return z, of the shape of x; scale and shift have the shape of its last `axes` axes.

    Raises InputError for shapes that do not match, values that are not finite, an invalid number of axes, and an
    epsilon that is negative, or 0 where all values are equal.
    """
    values = floats("x", x)
    last = _last(values, axes)
    factor, offset = _entrywise("scale", scale, values, last), _entrywise("shift", shift, values, last)
    return np.asarray(standardise(values, last, epsilon) * factor + offset)


@in_range
def backward(
    message: ArrayLike, x: ArrayLike, scale: ArrayLike, *, axes: Whole | None = None, epsilon: float = 1e-5
) -> Array:
    """Return the message at the input, by the formula above."""
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    last = _last(values, axes)
    return send_back(delta * _entrywise("scale", scale, values, last), values, last, epsilon)


@in_range
def gradient(message: ArrayLike, x: ArrayLike, *, axes: Whole | None = None, epsilon: float = 1e-5) -> Gradient:
    """Return the parameter gradient: over the axes before the last, the sums of message * hat and of message."""
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    last = _last(values, axes)
    before = tuple(range(values.ndim - len(last)))
    hat = standardise(values, last, epsilon)
    return Gradient(scale=np.asarray((delta * hat).sum(before)), shift=np.asarray(delta.sum(before)))


def _last(values: Array, axes: Whole | None) -> Axes:
    if values.ndim < 2 and axes is None:
        raise InputError("x", f"must be [batch, ...] with at least 2 axes, got shape {values.shape}", "add the batch")
    count = values.ndim - 1 if axes is None else whole("axes", axes, least=None)
    if not 1 <= count <= values.ndim:
        raise InputError(
            "axes", f"axes={axes} must lie between 1 and {values.ndim}, the axes of x", "they are counted from the last"
        )
    if 0 in values.shape:
        raise InputError("x", f"must not be empty, got shape {values.shape}", "give at least one value along each axis")
    return tuple(range(values.ndim - count, values.ndim))


def _entrywise(name: str, parameter: ArrayLike, values: Array, last: Axes) -> Array:
    array = floats(name, parameter)
    same_shape(name, array, values.shape[last[0] :])
    return array
