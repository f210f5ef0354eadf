"""Convolution proper: cross-correlation with the kernel flipped along every spatial axis (lectures 000, 001, 003).

    z[b, d, o] = bias[d] + sum over c, t of x[b, c, o * stride + t * dilation - before] * weight[d, c, K - 1 - t]

In one dimension, with full padding and one channel, z_t = sum over i of x_i w_(t-i). Networks learn their weights and
therefore omit the flip: what they call convolution is `cross_correlation`. Arguments, shapes and errors are the
same there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops import cross_correlation
from convworks.ops.arrays import Array, floats
from convworks.ops.cross_correlation import Gradient


def forward(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, **sliding: Any) -> Array:
    """Return z by the formula above; `sliding` are stride, padding, dilation, groups and layout."""
    return cross_correlation.forward(x, flip(weight), bias, **sliding)


def backward(message: ArrayLike, weight: ArrayLike, **sliding: Any) -> Array:
    """Return the message at the input, images of `size`: `cross_correlation.backward` with the flipped kernel."""
    return cross_correlation.backward(message, flip(weight), **sliding)


def gradient(message: ArrayLike, x: ArrayLike, **sliding: Any) -> Gradient:
    """Return the parameter gradient: that of cross-correlation, flipped as the weights are."""
    weight, bias = cross_correlation.gradient(message, x, **sliding)
    return Gradient(weight=flip(weight), bias=bias)


def flip(weight: ArrayLike) -> Array:
    """Return weights [out, in / groups, *kernel] reversed along every kernel axis, as a copy."""
    kernel = floats("weight", weight)
    return np.flip(kernel, tuple(range(2, kernel.ndim))).copy()
