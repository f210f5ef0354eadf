"""Softmax: logits to a distribution (lecture 003, Inception: the last layer of GoogLeNet).

p[k] = exp(x[k]) / sum over j of exp(x[j])        along one axis
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, floats, in_range, same_shape
from convworks.ops.whole import Whole, whole


@in_range
def forward(x: ArrayLike, axis: Whole = 1) -> Array:
    """Return p, of the shape of x; InputError for an invalid or empty axis, or values that are not finite."""
    values = floats("x", x)
    along = _check(values.shape, axis)
    # a common factor cancels: with the largest exponent 0, only the differences can overflow, and exp(-inf) is 0
    powers = np.exp(values - values.max(along, keepdims=True))
    return np.asarray(powers / powers.sum(along, keepdims=True))


@in_range
def backward(message: ArrayLike, x: ArrayLike, axis: Whole = 1) -> Array:
    """Return the message at the input: delta_x[k] = p[k] * (message[k] - sum over j of message[j] * p[j])."""
    p, delta = forward(x, axis=axis), floats("message", message)
    same_shape("message", delta, p.shape)
    return np.asarray(p * (delta - (delta * p).sum(_check(p.shape, axis), keepdims=True)))


def _check(shape: tuple[int, ...], along: Whole) -> int:
    rank, axis = len(shape), whole("axis", along, least=None)
    if not -rank <= axis < rank:
        raise InputError("axis", f"axis={axis} must be an axis of x of shape {shape}", f"x has {rank} axes, from 0")
    if shape[axis] == 0:
        raise InputError("x", f"must have at least one value along axis {axis}, got shape {shape}", "give some logits")
    return axis
