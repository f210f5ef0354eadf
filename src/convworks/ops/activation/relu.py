"""The rectified linear unit, max(x, 0) (lecture 001, nonlinearities: ReLU units; 003, AlexNet – ReLU vs tanh)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, floats, same_shape


def forward(x: ArrayLike) -> Array:
    """Return max(x, 0) for values of any shape; InputError where they are not finite."""
    return np.asarray(np.maximum(floats("x", x), 0.0))


def backward(message: ArrayLike, x: ArrayLike) -> Array:
    """Return the message at the input: the message where x > 0, else 0.

    At x = 0 there is no derivative; 0 is taken, as PyTorch does.
    """
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    return np.asarray(np.where(values > 0, delta, 0.0))
