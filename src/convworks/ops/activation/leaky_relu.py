"""The leaky rectified linear unit: x where x > 0, else slope * x (lecture 004, Training: Best practices)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, floats, in_range, same_shape


@in_range
def forward(x: ArrayLike, slope: float = 0.01) -> Array:
    """Return x where x > 0, else slope * x; InputError for values or a slope that are not finite."""
    values = floats("x", x)
    _check(slope)
    return np.asarray(np.where(values > 0, values, slope * values))


@in_range
def backward(message: ArrayLike, x: ArrayLike, slope: float = 0.01) -> Array:
    """Return the message at the input: the message where x > 0, else slope * message.

    At x = 0 there is no derivative; the slope is taken, as PyTorch does.
    """
    values, delta = floats("x", x), floats("message", message)
    _check(slope)
    same_shape("message", delta, values.shape)
    return np.asarray(np.where(values > 0, delta, slope * delta))


def _check(slope: float) -> None:
    if not math.isfinite(slope):
        raise InputError("slope", f"slope={slope} must be finite", "0.01 is usual")
