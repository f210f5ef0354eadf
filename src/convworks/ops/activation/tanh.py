"""The hyperbolic tangent (lecture 000, Convergence – Saturating Non-linearities; 003, AlexNet – ReLU vs tanh)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, floats, in_range, same_shape


def forward(x: ArrayLike) -> Array:
    """Return tanh(x) for values of any shape; InputError where they are not finite."""
    return np.asarray(np.tanh(floats("x", x)))


@in_range
def backward(message: ArrayLike, x: ArrayLike) -> Array:
    """Return the message at the input: message * (1 - tanh(x)^2)."""
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    slope = np.tanh(values)
    return np.asarray(delta * (1.0 - slope) * (1.0 + slope))
