"""The residual connection: the output of a body is added to its input (lecture 002, "Residual Block"; 003, ResNet).

    z = x + body(x)

The message passes the addition unchanged, to the input and to the body; the backward message of the body is then added
to that of the input. So the gradient of early parameters depends directly on the output (002, Skip Connection).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, floats, in_range, same_shape


class Messages(NamedTuple):
    """The message at the input, along the skip connection, and the message at the output of the body."""

    x: Array
    body: Array


@in_range
def forward(x: ArrayLike, body: ArrayLike) -> Array:
    """Return x + body, where `body` is the output of the body; InputError unless their shapes are equal."""
    values, computed = floats("x", x), floats("body", body)
    same_shape("body", computed, values.shape)
    return np.asarray(values + computed)


def backward(message: ArrayLike) -> Messages:
    """Return the messages at both inputs of the addition: each is the message at its output."""
    delta = floats("message", message)
    return Messages(x=delta.copy(), body=delta.copy())
