"""One unit of batch normalisation: a line through its input, and in training a message from the whole channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops import batch_normalisation
from convworks.ops.arrays import floats, same_shape
from convworks.ops.batch_normalisation import Statistics
from convworks.ops.unit.terms import Terms, grid, index_of, read, terms


def forward(
    x: ArrayLike,
    scale: ArrayLike,
    shift: ArrayLike,
    *,
    unit: Sequence[int],
    statistics: Statistics | None = None,
    epsilon: float = 1e-5,
) -> Terms:
    """Return z[unit] as one term and a bias: x * scale / sigma and shift - mean * scale / sigma.

    sigma = sqrt(variance + epsilon). Without `statistics` mean and variance are those of the batch (training).
    """
    values = floats("x", x)
    at = index_of("unit", unit, values.shape)
    mean, variance = statistics or batch_normalisation.statistics(values)
    slope = floats("scale", scale)[at[1]] / np.sqrt(variance[at[1]] + epsilon)
    offset = float(floats("shift", shift)[at[1]] - mean[at[1]] * slope)
    place = np.array([at])
    return terms(read(values, place), np.array([slope]), place, np.array([[at[1]]]), offset)


def backward(
    message: ArrayLike,
    x: ArrayLike,
    scale: ArrayLike,
    *,
    position: Sequence[int],
    statistics: Statistics | None = None,
    epsilon: float = 1e-5,
) -> Terms:
    """Return the terms of the message at x[position].

    With fixed `statistics` it is one: message * scale / sigma. In training, mean and variance depend on every value
    of the channel, so that there are m: message[j] * scale / sigma * ([i = j] - 1/m - hat[i] hat[j] / m).
    """
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    at = index_of("position", position, values.shape)
    factor, place = floats("scale", scale)[at[1]], np.array([at])
    if statistics is not None:
        slope = factor / np.sqrt(statistics.variance[at[1]] + epsilon)
        return terms(read(delta, place), np.array([slope]), place, np.array([[at[1]]]))
    mean, variance = batch_normalisation.statistics(values)
    sigma = np.sqrt(variance[at[1]] + epsilon)
    places = np.insert(grid(range(len(values)), *(range(n) for n in values.shape[2:])), 1, at[1], axis=1)
    hat = (read(values, places) - mean[at[1]]) / sigma
    own = (places == place).all(1)
    weights = factor / sigma * (own - (1 + hat * hat[own]) / len(places))
    return terms(read(delta, places), weights, places, np.full((len(places), 1), at[1]))


def gradient(
    message: ArrayLike,
    x: ArrayLike,
    *,
    channel: int,
    statistics: Statistics | None = None,
    epsilon: float = 1e-5,
) -> Terms:
    """Return the terms of d loss / d scale[channel]: hat * message over batch and space.

    `values` are the messages and `weights` the normalised inputs; without them the sum is d loss / d shift.
    """
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    index_of("channel", [channel], values.shape[1:2])
    mean, variance = statistics or batch_normalisation.statistics(values)
    places = np.insert(grid(range(len(values)), *(range(n) for n in values.shape[2:])), 1, channel, axis=1)
    hat = (read(values, places) - mean[channel]) / np.sqrt(variance[channel] + epsilon)
    return terms(read(delta, places), hat, places, places)
