"""One unit of layer normalisation: linear in its input, but its message depends on the whole sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, floats, same_shape
from convworks.ops.unit.terms import Terms, grid, index_of, read, terms
from convworks.ops.whole import Whole


def forward(x: ArrayLike, scale: ArrayLike, shift: ArrayLike, *, unit: Sequence[Whole], epsilon: float = 1e-5) -> Terms:
    """Return z[unit] as one term and a bias: x * scale / sigma and shift - mean * scale / sigma.

    scale and shift have the shape of the last axes of x, over which mean and sigma = sqrt(variance + epsilon) are
    taken.
    """
    values, factor, offset = floats("x", x), floats("scale", scale), floats("shift", shift)
    index = index_of("unit", unit, values.shape)
    mean, inverse = _moments(values, index, factor.ndim, epsilon)
    entry = index[values.ndim - factor.ndim :]
    slope = float(factor[entry]) * inverse
    bias = float(offset[entry]) - mean * slope
    return terms(values[index].reshape(1), np.array([slope]), np.array([index]), np.array([entry]), bias)


def backward(
    message: ArrayLike, x: ArrayLike, scale: ArrayLike, *, position: Sequence[Whole], epsilon: float = 1e-5
) -> Terms:
    """Return the m messages of the sample: message[j] * scale[j] / sigma * ([i = j] - 1/m - hat[i] hat[j] / m)."""
    values, delta, factor = floats("x", x), floats("message", message), floats("scale", scale)
    same_shape("message", delta, values.shape)
    index = index_of("position", position, values.shape)
    mean, inverse = _moments(values, index, factor.ndim, epsilon)
    before = values.ndim - factor.ndim
    entries = grid(*(range(n) for n in factor.shape))
    positions = np.concatenate([np.tile(index[:before], (len(entries), 1)).astype(np.int64), entries], axis=1)
    hat = (read(values, positions) - mean) * inverse
    own = (positions == np.array(index)).all(1)
    weights = read(factor, entries) * inverse * (own - (1 + hat * hat[own]) / len(positions))
    return terms(read(delta, positions), weights, positions, entries)


def gradient(message: ArrayLike, x: ArrayLike, *, entry: Sequence[Whole], axes: int, epsilon: float = 1e-5) -> Terms:
    """Return the terms of d loss / d scale[entry]: hat * message over the samples; normalised over the last `axes`.

    `values` are the messages and `weights` the normalised inputs; without them the sum is d loss / d shift.
    """
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    place = index_of("entry", entry, values.shape[values.ndim - axes :])
    before = values.ndim - axes
    samples = grid(*(range(n) for n in values.shape[:before]))
    positions = np.concatenate([samples, np.tile(place, (len(samples), 1)).astype(np.int64)], axis=1)
    rest = tuple(range(before, values.ndim))
    mean = values.mean(rest, keepdims=True)
    hat = (values - mean) / np.sqrt(values.var(rest, keepdims=True) + epsilon)
    return terms(read(delta, positions), read(hat, positions), positions, positions)


def _moments(values: Array, index: tuple[int, ...], axes: int, epsilon: float) -> tuple[float, float]:
    """Return mean and 1 / sqrt(variance + epsilon) of the sample that an index lies in."""
    sample = values[index[: values.ndim - axes]]
    return float(sample.mean()), float(1 / np.sqrt(sample.var() + epsilon))
