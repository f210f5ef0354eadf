"""The fully connected layer: every output reads every input (lecture 001, Fully-Connected Layer to Convolutional).

    z[b, d] = bias[d] + sum over c of x[b, c] * weight[d, c]

Shapes: x [batch, in], weight [out, in], bias [out].
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import floats, in_range, same_shape
from convworks.ops.cross_correlation import Gradient


@in_range
def forward(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Float64[np.ndarray, "b d"]:
    """Return z [batch, out] by the formula above.

    Raises InputError for ranks and features that do not match and values that are not finite.
    """
    features, matrix = check_layer(x, weight)
    z = np.asarray(features @ matrix.T)
    if bias is not None:
        offset = floats("bias", bias, "out")
        same_shape("bias", offset, matrix.shape[:1])
        z += offset
    return z


@in_range
def backward(message: ArrayLike, weight: ArrayLike) -> Float64[np.ndarray, "b c"]:
    """Return the message at the input: delta_x[b, c] = sum over d of message[b, d] * weight[d, c]."""
    delta, matrix = floats("message", message, "batch out"), floats("weight", weight, "out in")
    same_shape("message", delta, (len(delta), len(matrix)))
    return np.asarray(delta @ matrix)


@in_range
def gradient(message: ArrayLike, x: ArrayLike) -> Gradient:
    """Return the parameter gradient.

    d loss / d weight[d, c] = sum over b of message[b, d] * x[b, c]
    d loss / d bias[d]      = sum over b of message[b, d]
    """
    delta, features = floats("message", message, "batch out"), floats("x", x, "batch in")
    same_shape("message", delta, (len(features), delta.shape[1]))
    return Gradient(weight=delta.T @ features, bias=delta.sum(0))


def check_layer(x: ArrayLike, weight: ArrayLike) -> tuple[Float64[np.ndarray, "b c"], Float64[np.ndarray, "d c"]]:
    """Return input and weight as arrays, or raise InputError unless their features agree."""
    features, matrix = floats("x", x, "batch in"), floats("weight", weight, "out in")
    if features.shape[1] != matrix.shape[1]:
        raise InputError(
            "x",
            f"has {features.shape[1]} features, and weight of shape {matrix.shape} needs {matrix.shape[1]}",
            "weight is [out, in]",
        )
    return features, matrix
