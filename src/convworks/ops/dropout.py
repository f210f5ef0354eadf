"""Dropout: in training, each value is dropped with probability `rate` (lecture 000, Dropout Implementation).

    z = x * mask / (1 - rate)        mask is 1 with probability 1 - rate, else 0

so that the mean of z is x, and inference is the identity. The slide's mask, less(random_noise, rate), is 1 with
probability rate; that agrees with its divisor 1 - rate only at the rate 0.5. Here the mask is 1 where the noise is
at least `rate`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, floats, in_range, same_shape
from convworks.ops.whole import Whole, wholes


def mask(shape: Sequence[Whole], rate: float, generator: np.random.Generator) -> Array:
    """Return a mask of `shape` whose entries are 1 with probability 1 - rate; InputError for a rate outside [0, 1)."""
    _check(rate)
    return np.asarray(generator.random(wholes("shape", shape, least=0)) >= rate).astype(np.float64)


@in_range
def forward(x: ArrayLike, mask: ArrayLike, rate: float) -> Array:
    """Return x * mask / (1 - rate); InputError for a mask of another shape or values, or a rate outside [0, 1)."""
    return _apply_mask("x", x, mask, rate)


@in_range
def backward(message: ArrayLike, mask: ArrayLike, rate: float) -> Array:
    """Return the message at the input: message * mask / (1 - rate)."""
    return _apply_mask("message", message, mask, rate)


def _apply_mask(name: str, values: ArrayLike, mask: ArrayLike, rate: float) -> Array:
    _check(rate)
    array, mask_array = floats(name, values), floats("mask", mask)
    same_shape("mask", mask_array, array.shape)
    if not np.isin(mask_array, (0.0, 1.0)).all():
        raise InputError("mask", "must hold zeros and ones only", "make it with dropout.mask")
    return np.asarray(array * mask_array / (1 - rate))


def _check(rate: float) -> None:
    if not 0 <= rate < 1:
        raise InputError("rate", f"rate={rate} must be at least 0 and below 1", "0.5 drops half of the values")
