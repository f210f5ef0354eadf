"""The squared error (lecture 001, Autoencoders: squared loss): summed over outputs, averaged over the batch.

    loss = 1 / B * sum over b, i of (prediction[b, i] - target[b, i])^2        with a batch of B

There is no factor 1/2, and the outputs i of a sample are summed over all their axes, not averaged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, floats, in_range, same_shape


@in_range
def forward(prediction: ArrayLike, target: ArrayLike) -> float:
    """Return the loss; InputError unless both are [batch, ...] of one shape, finite, of at least one sample."""
    difference = _difference(prediction, target)
    return float((difference**2).sum() / len(difference))


@in_range
def backward(prediction: ArrayLike, target: ArrayLike) -> Array:
    """Return the message at the prediction: 2 / B * (prediction - target)."""
    difference = _difference(prediction, target)
    return np.asarray(difference * (2 / len(difference)))


def _difference(prediction: ArrayLike, target: ArrayLike) -> Array:
    values, target_values = floats("prediction", prediction), floats("target", target)
    if values.ndim == 0 or len(values) == 0:
        raise InputError(
            "prediction", f"must be [batch, ...] with at least one sample, got shape {values.shape}", "add the batch"
        )
    same_shape("target", target_values, values.shape)
    return np.asarray(values - target_values)
