"""One unit of a convolution layer, that is of `ops.cross_correlation` (lecture 001, Convolution in 2D)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convworks.ops.arrays import Array, images, same_shape
from convworks.ops.cross_correlation import check_bias, check_channels, check_groups, check_weight
from convworks.ops.normalisation.normalise import channels
from convworks.ops.shape import Axis, Padding, sliding
from convworks.ops.unit.terms import Terms, beside, grid, index_of, pairs, read, terms, window_positions
from convworks.ops.whole import PerAxis, Whole, per_axis


def forward(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    unit: Sequence[Whole],
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: Whole = 1,
) -> Terms:
    """Return the terms of z[unit], (b, d, *o): x[b, c, o * stride + t * dilation - before] * weight[d, c, t].

    Taps on padding are terms too, with the value 0. Raises InputError for an index outside z and as
    `ops.cross_correlation.forward` does.
    """
    kernel = check_weight(weight)
    pixels = images("x", x, "channels_first", kernel.ndim - 2)
    count = check_channels("x", pixels, kernel, groups)
    axes = sliding(pixels.shape[2:], kernel.shape[2:], stride, padding, dilation)
    index = index_of("unit", unit, (len(pixels), len(kernel), *(axis.output for axis in axes)))
    offset = 0.0 if bias is None else float(check_bias(bias, len(kernel))[index[1]])
    return of_output(pixels, kernel, axes, count, index, offset)


def of_output(
    pixels: Array, kernel: Array, axes: Sequence[Axis], groups: int, index: Sequence[int], offset: float = 0.0
) -> Terms:
    """Return the terms of an output value; arguments are not checked."""
    b, d, *output_position = index
    first = d // (len(kernel) // groups) * kernel.shape[1]
    taps = grid(*(range(n) for n in kernel.shape[1:]))
    input_positions = [
        window_positions(axis, o)[taps[:, n + 1]] for n, (axis, o) in enumerate(zip(axes, output_position, strict=True))
    ]
    positions = np.stack([np.full(len(taps), b), first + taps[:, 0], *input_positions], axis=1)
    return terms(read(pixels, positions), kernel[d].ravel(), positions, beside([d], taps), offset)


def backward(
    message: ArrayLike,
    weight: ArrayLike,
    *,
    position: Sequence[Whole],
    size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: Whole = 1,
) -> Terms:
    """Return the terms of the message at x[position], (b, c, *i): message[b, d, o] * weight[d, c, t] over all d, o, t.

    A position that no window reads has no terms.
    """
    kernel = check_weight(weight)
    count = check_groups(groups, out_channels=len(kernel))
    delta = images("message", message, "channels_first", kernel.ndim - 2)
    axes = sliding(per_axis("size", size, kernel.ndim - 2), kernel.shape[2:], stride, padding, dilation)
    same_shape("message", delta, (len(delta), len(kernel), *(axis.output for axis in axes)))
    shape = (len(delta), kernel.shape[1] * count, *(axis.size for axis in axes))
    return of_input(delta, kernel, axes, count, index_of("position", position, shape))


def of_input(
    delta: Array, kernel: Array, axes: Sequence[Axis], groups: int, index: Sequence[int], offset: float = 0.0
) -> Terms:
    """Return the terms of the message at an input value; arguments are not checked."""
    b, c, *input_position = index
    group, channel = divmod(c, kernel.shape[1])
    filters = len(kernel) // groups
    taps, outputs = pairs(axes, input_position)
    combinations = grid(range(group * filters, (group + 1) * filters), range(len(taps)))
    positions = np.concatenate(
        [np.full((len(combinations), 1), b), combinations[:, :1], outputs[combinations[:, 1]]], axis=1
    )
    weights = np.concatenate(
        [combinations[:, :1], np.full((len(combinations), 1), channel), taps[combinations[:, 1]]], axis=1
    )
    return terms(read(delta, positions), read(kernel, weights), positions, weights, offset)


def gradient(
    message: ArrayLike,
    x: ArrayLike,
    *,
    index: Sequence[Whole],
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: Whole = 1,
) -> Terms:
    """Return the terms of d loss / d weight[index], (d, c, *t): an input value times message[b, d, o], over all b, o.

    `positions` are those of the input values, `weight_positions` those of the message.
    """
    pixels = images("x", x, "channels_first")
    delta = images("message", message, "channels_first", pixels.ndim - 2)
    count = check_groups(groups, in_channels=pixels.shape[1], out_channels=delta.shape[1])
    axes = sliding(pixels.shape[2:], kernel_size, stride, padding, dilation)
    same_shape("message", delta, (len(pixels), delta.shape[1], *(axis.output for axis in axes)))
    return of_weight(delta, pixels, axes, count, index)


def of_weight(delta: Array, pixels: Array, axes: Sequence[Axis], groups: int, index: Sequence[Whole]) -> Terms:
    """Return the terms of the derivative by weight[index]; images and message are not checked."""
    in_group, filters = pixels.shape[1] // groups, delta.shape[1] // groups
    shape = (delta.shape[1], in_group, *(axis.kernel_size for axis in axes))
    d, c, *tap = index_of("index", index, shape)
    outputs = grid(range(len(pixels)), *(range(axis.output) for axis in axes))
    input_positions = [
        _tap_positions(axis, t)[outputs[:, n + 1]] for n, (axis, t) in enumerate(zip(axes, tap, strict=True))
    ]
    channel = np.full(len(outputs), d // filters * in_group + c)
    positions = np.stack([outputs[:, 0], channel, *input_positions], axis=1)
    sources = np.insert(outputs, 1, d, axis=1)
    return terms(read(pixels, positions), read(delta, sources), positions, sources)


def bias_gradient(message: ArrayLike, *, channel: Whole) -> Terms:
    """Return the terms of d loss / d bias[channel]: the messages of that channel, each times 1."""
    delta = channels("message", message, "channels_first")
    (channel_index,) = index_of("channel", [channel], delta.shape[1:2])
    positions = np.insert(grid(range(len(delta)), *(range(n) for n in delta.shape[2:])), 1, channel_index, axis=1)
    return terms(read(delta, positions), np.ones(len(positions)), positions)


def _tap_positions(axis: Axis, tap: int) -> np.ndarray:
    """Return the input position of one tap for every output position."""
    return np.arange(axis.output) * axis.stride + tap * axis.dilation - axis.before
