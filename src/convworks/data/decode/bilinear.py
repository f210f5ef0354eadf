"""Bilinear scaling with antialiasing in eight bits, in NumPy: bit for bit what PyTorch's kernel computes.

Each side is scaled by itself, columns first, with weights of 16 bits and a result of 8 after each. It is slower than
the kernel, but a few images are scaled sooner than PyTorch is imported.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt8

#: The largest weight has at most this many bits, and all of them at most that many binary places.
BITS, PLACES = 15, 22


class Weights(NamedTuple):
    """For each new pixel the first old one that counts, and the weights of it and those after it, times 2**places."""

    first: Int64[np.ndarray, " want"]
    values: Int32[np.ndarray, "taps want"]
    places: int


def bilinear(array: UInt8[np.ndarray, "h w c"], size: tuple[int, int]) -> UInt8[np.ndarray, "height width c"]:
    """Scale an image to `size` (height, width)."""
    columns = _scaled(array.swapaxes(0, 1), size[1]).swapaxes(0, 1) if array.shape[1] != size[1] else array
    return _scaled(columns, size[0]) if array.shape[0] != size[0] else columns.copy()


def weights(have: int, want: int) -> Weights:
    """Return the weights of a triangle as wide as two old pixels or, when scaled down, two new ones."""
    ratio = have / want
    reach = max(ratio, 1.0)
    centre = ratio * (np.arange(want) + 0.5)
    first = (centre - reach + 0.5).astype(np.int64).clip(0)
    count = (centre + reach + 0.5).astype(np.int64).clip(max=have) - first
    taps = np.arange(count.max())[:, None]
    distance: Float64[np.ndarray, "taps want"] = np.abs((taps + first - centre + 0.5) * (1 / reach))
    triangle = np.where(taps < count, (1 - distance).clip(0), 0.0)
    triangle = triangle / _sums(triangle)
    places = _places(float(triangle.max()))
    return Weights(first, (0.5 + triangle * (1 << places)).astype(np.int32), places)


def _scaled(array: UInt8[np.ndarray, "have m c"], want: int) -> UInt8[np.ndarray, "want m c"]:
    """Scale the first axis."""
    first, values, places = weights(len(array), want)
    total = np.full((want, *array.shape[1:]), 1 << (places - 1), np.int32)
    for tap, weight in enumerate(values):
        total += array[np.minimum(first + tap, len(array) - 1)] * weight[:, None, None]
    scaled: np.ndarray = (total >> places).clip(0, 255).astype(np.uint8)
    return scaled


def _sums(triangle: Float64[np.ndarray, "taps want"]) -> Float64[np.ndarray, " want"]:
    """Add up weights one after the other, since the order decides the last bit."""
    total = np.zeros(triangle.shape[1])
    for row in triangle:
        total = total + row
    return total


def _places(largest: float) -> int:
    """Return how many binary places fit."""
    places = 0
    while places < PLACES and int(0.5 + largest * (1 << (places + 1))) < 1 << BITS:
        places += 1
    return places
