"""One unit of local response normalisation: divided by a power of its channel's neighbourhood."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, images, same_shape
from convworks.ops.unit.terms import Terms, index_of, read, terms
from convworks.ops.whole import Whole


def forward(
    x: ArrayLike, *, unit: Sequence[Whole], k: float = 2.0, n: int = 5, alpha: float = 1e-4, beta: float = 0.75
) -> Terms:
    """Return x[unit] with weight d^-beta, d = k + alpha * sum of x[j]^2 over the n channels j around it."""
    pixels = images("x", x, "channels_first")
    index = index_of("unit", unit, pixels.shape)
    divisor = _divisor(pixels, index, index[1], k, n, alpha)
    return terms(pixels[index].reshape(1), np.array([divisor**-beta]), np.array([index]))


def backward(
    message: ArrayLike,
    x: ArrayLike,
    *,
    position: Sequence[Whole],
    k: float = 2.0,
    n: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
) -> Terms:
    """Return the messages of the channels i that have j, that of the position, in their window.

    Their weights are [i = j] d[i]^-beta - 2 alpha beta x[i] x[j] d[i]^(-beta - 1).
    """
    pixels, delta = images("x", x, "channels_first"), images("message", message, "channels_first")
    same_shape("message", delta, pixels.shape)
    index = index_of("position", position, pixels.shape)
    own = index[1]
    channels = [i for i in range(pixels.shape[1]) if own in _window(i, n, pixels.shape[1])]
    positions = np.repeat(np.array([index]), len(channels), axis=0)
    positions[:, 1] = channels
    divisors = np.array([_divisor(pixels, index, i, k, n, alpha) for i in channels])
    crossed = 2 * alpha * beta * read(pixels, positions) * pixels[index] * divisors ** (-beta - 1)
    weights = (positions[:, 1] == own) * divisors**-beta - crossed
    return terms(read(delta, positions), weights, positions)


def _window(channel: int, n: int, channels: int) -> range:
    """Return the channels around one: n // 2 before it, and (n - 1) // 2 after it."""
    return range(max(0, channel - n // 2), min(channels, channel + (n - 1) // 2 + 1))


def _divisor(pixels: Array, index: tuple[int, ...], channel: int, k: float, n: int, alpha: float) -> float:
    window = _window(channel, n, pixels.shape[1])
    return k + alpha * sum(float(pixels[(index[0], i, *index[2:])]) ** 2 for i in window)
