"""One unit of local response normalisation: its one term; its message comes from the channels around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import images, same_shape
from convworks.ops.normalisation.local_response_normalisation import neighbours
from convworks.ops.unit.terms import Terms, index_of, read, terms
from convworks.ops.whole import Whole


def forward(
    x: ArrayLike, *, unit: Sequence[Whole], n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
) -> Terms:
    """Return z[unit] as x * d^-beta, with d = k + alpha * sum of x[j]^2 over the n channels j around."""
    pixels = images("x", x, "channels_first")
    b, c, *place = index_of("unit", unit, pixels.shape)
    line = np.moveaxis(pixels[b], 0, -1)[tuple(place)]
    d = k + alpha * float(neighbours(len(line), n)[c] @ line**2)
    return terms(line[c].reshape(1), np.array([d**-beta]), np.array([[b, c, *place]]))


def backward(
    message: ArrayLike,
    x: ArrayLike,
    *,
    position: Sequence[Whole],
    n: int = 5,
    k: float = 2.0,
    alpha: float = 1e-4,
    beta: float = 0.75,
) -> Terms:
    """Return the terms of the message at x[position], over the channels i whose window it is in.

    message[i] * ([i = j] * d[i]^-beta - 2 alpha beta x[j] x[i] d[i]^(-beta - 1))
    """
    pixels, delta = images("x", x, "channels_first"), images("message", message, "channels_first")
    same_shape("message", delta, pixels.shape)
    b, c, *place = index_of("position", position, pixels.shape)
    line, windows = np.moveaxis(pixels[b], 0, -1)[tuple(place)], neighbours(pixels.shape[1], n)
    d = k + alpha * windows @ line**2
    readers = np.flatnonzero(windows[:, c])
    weights = (readers == c) * d[readers] ** -beta
    weights = weights - 2 * alpha * beta * line[c] * line[readers] * d[readers] ** (-beta - 1)
    positions = np.array([[b, reader, *place] for reader in readers])
    return terms(read(delta, positions), weights, positions)
