"""One unit of batch normalisation: linear in its input; in training, its message depends on the whole channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, same_shape
from convworks.ops.normalisation import batch_normalisation
from convworks.ops.normalisation.batch_normalisation import Moments, Statistics, check_statistics
from convworks.ops.normalisation.normalise import channels, inverse_square_root, per_channel
from convworks.ops.unit.terms import Terms, grid, index_of, read, terms
from convworks.ops.whole import Whole


def forward(
    x: ArrayLike,
    scale: ArrayLike,
    shift: ArrayLike,
    *,
    unit: Sequence[Whole],
    statistics: Moments | None = None,
    epsilon: float = 1e-5,
) -> Terms:
    """Return z[unit] as one term and a bias: x * scale / sigma and shift - mean * scale / sigma.

    sigma = sqrt(variance + epsilon). Without `statistics` mean and variance are those of the batch (training).
    """
    values = channels("x", x, "channels_first")
    index = index_of("unit", unit, values.shape)
    mean, inverse = _moments(values, statistics, epsilon)
    slope = per_channel("scale", scale, values).ravel()[index[1]] * inverse[index[1]]
    offset = float(per_channel("shift", shift, values).ravel()[index[1]] - mean[index[1]] * slope)
    indices = np.array([index])
    return terms(read(values, indices), np.array([slope]), indices, np.array([[index[1]]]), offset)


def backward(
    message: ArrayLike,
    x: ArrayLike,
    scale: ArrayLike,
    *,
    position: Sequence[Whole],
    statistics: Moments | None = None,
    epsilon: float = 1e-5,
) -> Terms:
    """Return the terms of the message at x[position].

    With fixed `statistics` there is one: message * scale / sigma. In training, mean and variance depend on every value
    of the channel, so there are m: message[j] * scale / sigma * ([i = j] - 1/m - hat[i] hat[j] / m).
    """
    values, delta = channels("x", x, "channels_first"), channels("message", message, "channels_first")
    same_shape("message", delta, values.shape)
    index = index_of("position", position, values.shape)
    mean, inverse = _moments(values, statistics, epsilon)
    slope, indices = per_channel("scale", scale, values).ravel()[index[1]] * inverse[index[1]], np.array([index])
    if statistics is not None:
        return terms(read(delta, indices), np.array([slope]), indices, np.array([[index[1]]]))
    positions = np.insert(grid(range(len(values)), *(range(n) for n in values.shape[2:])), 1, index[1], axis=1)
    hat = (read(values, positions) - mean[index[1]]) * inverse[index[1]]
    own = (positions == indices).all(1)
    weights = slope * (own - (1 + hat * hat[own]) / len(positions))
    return terms(read(delta, positions), weights, positions, np.full((len(positions), 1), index[1]))


def gradient(
    message: ArrayLike,
    x: ArrayLike,
    *,
    channel: Whole,
    statistics: Moments | None = None,
    epsilon: float = 1e-5,
) -> Terms:
    """Return the terms of d loss / d scale[channel]: hat * message over batch and space.

    `values` are the messages and `weights` the normalised inputs; without them the sum is d loss / d shift.
    """
    values, delta = channels("x", x, "channels_first"), channels("message", message, "channels_first")
    same_shape("message", delta, values.shape)
    (channel_index,) = index_of("channel", [channel], values.shape[1:2])
    mean, inverse = _moments(values, statistics, epsilon)
    positions = np.insert(grid(range(len(values)), *(range(n) for n in values.shape[2:])), 1, channel_index, axis=1)
    hat = (read(values, positions) - mean[channel_index]) * inverse[channel_index]
    return terms(read(delta, positions), hat, positions, positions)


def _moments(values: Array, statistics: Moments | None, epsilon: float) -> tuple[Array, Array]:
    """Return mean and 1 / sqrt(variance + epsilon) of each channel; of the batch if `statistics` is None."""
    moments = batch_normalisation.statistics(values) if statistics is None else check_statistics(statistics)
    for name, entry in zip(Statistics._fields, moments, strict=True):
        per_channel(f"statistics.{name}", entry, values)
    return moments.mean, inverse_square_root(moments.variance, epsilon)
