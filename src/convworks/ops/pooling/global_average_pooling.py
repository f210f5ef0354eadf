"""Global average pooling: each channel becomes its mean (lecture 001, GoogLeNet 2014; 003, Main Takeaways).

z[b, c] = sum over i of x[b, c, i] / n        with n positions i
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, Layout, check_layout, floats, images, in_layout, in_range
from convworks.ops.whole import Whole, wholes


@in_range
def forward(x: ArrayLike, *, layout: Layout = "channels_first") -> Float64[np.ndarray, "b c"]:
    """Return [batch, channel], the means; InputError for wrong ranks and values that are not finite."""
    pixels = images("x", x, layout)
    return np.asarray(pixels.mean(tuple(range(2, pixels.ndim))))


def backward(message: ArrayLike, *, size: Sequence[Whole], layout: Layout = "channels_first") -> Array:
    """Return the message at the input, images of `size`: delta_x[b, c, i] = message[b, c] / n.

    Raises InputError for a size that is not a sequence, since a single number does not tell the number of axes.
    """
    check_layout(layout)
    delta, sizes = floats("message", message, "batch channel"), wholes("size", size)
    if len(sizes) not in (1, 2, 3):
        raise InputError("size", f"{size} must have 1 to 3 axes", "give the size of the images before pooling")
    position_message = delta.reshape(*delta.shape, *[1] * len(sizes)) / math.prod(sizes)
    return in_layout(np.broadcast_to(position_message, (*delta.shape, *sizes)).copy(), layout)
