"""Global max pooling: each channel becomes its largest value (lecture 001, Max Pooling Gradient, with one window).

z[b, c] = max over i of x[b, c, i]
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, Layout, floats, images, in_layout, same_shape


def forward(x: ArrayLike, *, layout: Layout = "channels_first") -> Float64[np.ndarray, "b c"]:
    """Return [batch, channel], the maxima; InputError for wrong ranks and values that are not finite."""
    pixels = images("x", x, layout)
    return np.asarray(pixels.max(tuple(range(2, pixels.ndim))))


def backward(message: ArrayLike, x: ArrayLike, *, layout: Layout = "channels_first") -> Array:
    """Return the message at the input: all of message[b, c] goes to the first maximum in row-major order."""
    pixels = images("x", x, layout)
    delta = floats("message", message, "batch channel")
    same_shape("message", delta, pixels.shape[:2])
    flat = pixels.reshape(*pixels.shape[:2], -1)
    total = np.zeros(flat.shape)
    np.put_along_axis(total, flat.argmax(-1, keepdims=True), delta[:, :, None], axis=-1)
    return in_layout(total.reshape(pixels.shape), layout)
