"""The cross-entropy of softmax: the loss of classification (lecture 003, Inception: label smoothing).

    loss = - 1 / B * sum over b, k of target[b, k] * log p[b, k],   p = softmax of logits, B the size of the batch
    target[b, k] = (1 - smoothing) * [labels[b] = k] + smoothing / K        with K classes

Label smoothing is that of Szegedy et al., 2015, section 7, with the uniform distribution over classes; 0 is without.
Shapes: logits [batch, class], labels [batch], whole numbers from 0 to K - 1.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.activation import softmax
from convworks.ops.arrays import floats, in_range, same_shape


@in_range
def forward(logits: ArrayLike, labels: ArrayLike, smoothing: float = 0.0) -> float:
    """Return the loss.

    Raises InputError for wrong ranks, logits that are not finite, labels outside the classes, an empty batch, and a
    smoothing outside 0 to 1.
    """
    scores = _logits(logits)
    target = _target(scores, labels, smoothing)
    # log p from the logits, since p itself may underflow to 0
    shifted = scores - scores.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    # log p may be minus infinity, which only matters for classes with a target
    terms = np.where(target > 0, target * log_p, 0.0)
    return float(-terms.sum() / len(scores))


@in_range
def backward(logits: ArrayLike, labels: ArrayLike, smoothing: float = 0.0) -> Float64[np.ndarray, "b k"]:
    """Return the message at the logits: (p - target) / B."""
    scores = _logits(logits)
    return np.asarray((softmax.forward(scores) - _target(scores, labels, smoothing)) / len(scores))


def _logits(logits: ArrayLike) -> Float64[np.ndarray, "b k"]:
    scores = floats("logits", logits, "batch class")
    if 0 in scores.shape:
        raise InputError("logits", f"must not be empty, got shape {scores.shape}", "give a sample and a class")
    return scores


def _target(scores: Float64[np.ndarray, "b k"], labels: ArrayLike, smoothing: float) -> Float64[np.ndarray, "b k"]:
    if not 0 <= smoothing <= 1:
        raise InputError("smoothing", f"smoothing={smoothing} must lie between 0 and 1", "0.1 is usual")
    batch, classes = scores.shape
    same_shape("labels", floats("labels", labels), (batch,))
    indices = np.asarray(labels)
    if not np.issubdtype(indices.dtype, np.integer):
        raise InputError(
            "labels", f"must be whole numbers, got {indices.dtype}", "give class indices, not one-hot rows"
        )
    outside = np.flatnonzero((indices < 0) | (indices >= classes))
    if outside.size:
        raise InputError(
            f"labels[{outside[0]}]",
            f"is {indices[outside[0]]} and must lie between 0 and {classes - 1}",
            "number the classes from 0",
        )
    target = np.full(scores.shape, smoothing / classes)
    target[np.arange(batch), indices] += 1 - smoothing
    return target
