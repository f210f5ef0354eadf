"""The sigmoid, s(x) = 1 / (1 + exp(-x)) (lecture 001, nonlinearities; 004, Training: Best practices)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, floats, same_shape


def forward(x: ArrayLike) -> Array:
    """Return s(x) for values of any shape; InputError where they are not finite."""
    return _sigmoid(floats("x", x))


def backward(message: ArrayLike, x: ArrayLike) -> Array:
    """Return the message at the input: message * s(x) * (1 - s(x)), with 1 - s(x) = s(-x), which cancels nothing."""
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    return np.asarray(delta * _sigmoid(values) * _sigmoid(np.asarray(-values)))


def _sigmoid(values: Array) -> Array:
    # exp of a negative number cannot overflow; for x < 0, s(x) = exp(x) / (1 + exp(x))
    small = np.exp(-np.abs(values))
    return np.asarray(np.where(values >= 0, 1.0, small) / (1.0 + small))
