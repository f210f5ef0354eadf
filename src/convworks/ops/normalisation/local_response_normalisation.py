"""Local response normalisation of AlexNet (lecture 003, VGG: column A-LRN; Krizhevsky et al., 2012, section 3.3).

    z[i] = x[i] / d[i]^beta,   d[i] = k + alpha * sum of x[j]^2 over the n channels j around i

at each position of each image; channels beyond the first and the last are left out of the sum. The paper has k = 2,
n = 5, alpha = 1e-4, beta = 0.75. For even n the window is n / 2 channels before i, and n / 2 - 1 after it.
PyTorch's LocalResponseNorm divides alpha by n: alpha here is alpha * n there.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.arrays import Array, Layout, TooLargeError, images, in_layout, in_range, same_shape
from convworks.ops.whole import Whole, whole


@in_range
def forward(
    x: ArrayLike,
    *,
    k: float = 2.0,
    n: Whole = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    layout: Layout = "channels_first",
) -> Array:
    """Return z, of the shape of the images x.

    Raises InputError for wrong ranks, values that are not finite, k <= 0 or alpha < 0 (which could divide by 0), n < 1.
    """
    pixels = images("x", x, layout)
    windows = neighbours(pixels.shape[1], _check(k, n, alpha, beta))
    return in_layout(pixels * _divisor(windows, pixels, k, alpha) ** -beta, layout)


@in_range
def backward(
    message: ArrayLike,
    x: ArrayLike,
    *,
    k: float = 2.0,
    n: Whole = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    layout: Layout = "channels_first",
) -> Array:
    """Return the message at the input, derived from the formula above.

    delta_x[j] = message[j] * d[j]^-beta
                 - 2 alpha beta x[j] * sum over the i with j in their window of message[i] * x[i] * d[i]^(-beta - 1)
    """
    pixels = images("x", x, layout)
    delta = images("message", message, layout, pixels.ndim - 2)
    same_shape("message", delta, pixels.shape, layout)
    windows = neighbours(pixels.shape[1], _check(k, n, alpha, beta))
    d = _divisor(windows, pixels, k, alpha)
    sums = _window_sums(windows.T, delta * pixels * d ** (-beta - 1))
    return in_layout(delta * d**-beta - 2 * alpha * beta * pixels * sums, layout)


def neighbours(count: int, n: int) -> Float64[np.ndarray, "c c"]:
    """Return the band matrix that is 1 where channel j (column) is one of the n around channel i (row)."""
    offset = np.arange(count) - np.arange(count)[:, None]
    return ((-(n // 2) <= offset) & (offset <= (n - 1) // 2)).astype(np.float64)


def _window_sums(matrix: Float64[np.ndarray, "c c"], x: Array) -> Array:
    return np.asarray((matrix @ x.reshape(*x.shape[:2], -1)).reshape(x.shape))


def _divisor(windows: Float64[np.ndarray, "c c"], pixels: Array, k: float, alpha: float) -> Array:
    d = np.asarray(k + alpha * _window_sums(windows, np.asarray(pixels**2)))
    if not np.isfinite(d).all():  # to a negative power it would become 0, which is finite
        raise TooLargeError("x")
    return d


def _check(k: float, n: Whole, alpha: float, beta: float) -> int:
    count = whole("n", n)
    if not (math.isfinite(k) and k > 0):
        raise InputError("k", f"k={k} must be positive", "the paper has k=2")
    if not (math.isfinite(alpha) and alpha >= 0):
        raise InputError("alpha", f"alpha={alpha} must not be negative", "the paper has alpha=1e-4")
    if not math.isfinite(beta):
        raise InputError("beta", f"beta={beta} must be finite", "the paper has beta=0.75")
    return count
