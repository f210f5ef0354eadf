"""One unit of layer normalisation: linear in its value; its message depends on all values of the sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, floats, same_shape
from convworks.ops.normalisation.normalise import inverse_square_root, standardise
from convworks.ops.unit.terms import Positions, Terms, grid, index_of, read, terms
from convworks.ops.whole import Whole


def forward(x: ArrayLike, scale: ArrayLike, shift: ArrayLike, *, unit: Sequence[Whole], epsilon: float = 1e-5) -> Terms:
    """Return z[unit] as one term and a bias: x * scale / sigma and shift - mean * scale / sigma.

    Mean and sigma = sqrt(variance + epsilon) are those of the sample, over the last axes, whose shape scale has.
    """
    values, factor, offset = floats("x", x), floats("scale", scale), floats("shift", shift)
    index = index_of("unit", unit, values.shape)
    before, own = _divided(index, factor)
    mean, inverse = _moments(values[before], epsilon)
    slope = float(factor[own]) * inverse
    rest = float(offset[own]) - mean * slope
    return terms(values[index].reshape(1), np.array([slope]), np.array([index]), np.array([own]), rest)


def backward(
    message: ArrayLike, x: ArrayLike, scale: ArrayLike, *, position: Sequence[Whole], epsilon: float = 1e-5
) -> Terms:
    """Return the m terms of the message at x[position], for each value j of the sample.

    message[j] * scale[j] / sigma * ([i = j] - (1 + hat[i] hat[j]) / m)
    """
    values, delta, factor = floats("x", x), floats("message", message), floats("scale", scale)
    same_shape("message", delta, values.shape)
    index = index_of("position", position, values.shape)
    before, own = _divided(index, factor)
    sample = values[before]
    mean, inverse = _moments(sample, epsilon)
    hat = (sample - mean) * inverse
    entries = grid(*(range(n) for n in sample.shape))
    same = (entries == np.array(own)).all(1)
    weights = factor.ravel() * inverse * (same - (1 + hat[own] * hat.ravel()) / sample.size)
    positions = np.concatenate([np.repeat(np.array([before], dtype=np.int64), len(entries), axis=0), entries], axis=1)
    return terms(read(delta, positions), weights, positions, entries)


def gradient(message: ArrayLike, x: ArrayLike, *, index: Sequence[Whole], axes: int, epsilon: float = 1e-5) -> Terms:
    """Return the terms of d loss / d scale[index]: hat * message over all samples; normalised are the last `axes` axes.

    `values` are the messages and `weights` the normalised inputs.
    """
    values, delta = floats("x", x), floats("message", message)
    same_shape("message", delta, values.shape)
    positions = _of_samples(values.shape, index, axes)
    hat = standardise(values, tuple(range(values.ndim - axes, values.ndim)), epsilon)
    return terms(read(delta, positions), read(hat, positions), positions, positions)


def shift_gradient(message: ArrayLike, *, index: Sequence[Whole], axes: int) -> Terms:
    """Return the terms of d loss / d shift[index]: the messages of all samples there, each times 1."""
    delta = floats("message", message)
    positions = _of_samples(delta.shape, index, axes)
    return terms(read(delta, positions), np.ones(len(positions)), positions)


def _of_samples(shape: tuple[int, ...], index: Sequence[Whole], axes: int) -> Positions:
    """Return the indices of one entry of the last axes in every sample."""
    own = index_of("index", index, shape[len(shape) - axes :])
    samples = grid(*(range(n) for n in shape[: len(shape) - axes]))
    return np.concatenate([samples, np.repeat(np.array([own]), len(samples), axis=0)], axis=1)


def _divided(index: tuple[int, ...], scale: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Divide an index into that of the sample, and that within it."""
    at = len(index) - scale.ndim
    return index[:at], index[at:]


def _moments(sample: Array, epsilon: float) -> tuple[float, float]:
    """Return the mean of a sample, and 1 / sqrt(variance + epsilon)."""
    return float(sample.mean()), float(inverse_square_root(np.asarray(sample.var()), epsilon))
