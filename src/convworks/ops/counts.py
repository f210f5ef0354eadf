"""Numbers of parameters and connections of layers (lectures 001, CNNs; 002, Convolution).

A connection is the use of a weight or bias at one output: an unshared parameter has one, a shared one has one at every
position. Taps that fall on padding are counted, as if the zeros there were pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from convworks.errors import InputError
from convworks.ops.cross_correlation import check_groups
from convworks.ops.shape import Padding, sliding
from convworks.ops.whole import PerAxis, Whole, whole, wholes


class Count(NamedTuple):
    """Trainable parameters (weights and biases), and connections: their uses at all outputs."""

    parameters: int
    connections: int


def fully_connected(inputs: Whole, outputs: Whole, *, bias: bool = True) -> Count:
    """Return outputs * (inputs + 1) for both (lecture 001, CNNs: 32^2 (32^2 + 1), about 1 M).

    Raises InputError for numbers below 1.
    """
    parameters = whole("outputs", outputs) * (whole("inputs", inputs) + bias)
    return Count(parameters=parameters, connections=parameters)


def locally_connected(
    size: Sequence[Whole],
    *,
    kernel_size: PerAxis,
    in_channels: Whole = 1,
    out_channels: Whole = 1,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: Whole = 1,
    bias: bool = True,
) -> Count:
    """Return the counts of receptive fields without sharing: each output has weights and a bias of its own.

    out * positions * (in / groups * taps + 1) for both (lecture 001, CNNs: 30^2 (3^2 + 1), 9 k). Raises InputError like
    `convolution`.
    """
    shared = convolution(
        size,
        kernel_size=kernel_size,
        in_channels=in_channels,
        out_channels=out_channels,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=bias,
    )
    return Count(parameters=shared.connections, connections=shared.connections)


def convolution(
    size: Sequence[Whole],
    *,
    kernel_size: PerAxis,
    in_channels: Whole = 1,
    out_channels: Whole = 1,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: Whole = 1,
    bias: bool = True,
) -> Count:
    """Return the counts of a convolution on images of `size`: its filters are shared by all positions.

    Parameters out * (in / groups * taps + 1), as many connections per position (lecture 001, CNNs: 3 * 3^2 + 1 = 28,
    and 112 with 4 filters). Raises InputError for numbers below 1, groups that do not divide the channels, and kernels
    larger than the padded image.
    """
    inputs, outputs = whole("in_channels", in_channels), whole("out_channels", out_channels)
    table = [range(inputs // check_groups(groups, in_channels=inputs, out_channels=outputs))] * outputs
    return partial_convolution(
        size, table, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, bias=bias
    )


def partial_convolution(
    size: Sequence[Whole],
    table: Sequence[Sequence[int]],
    *,
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    bias: bool = True,
) -> Count:
    """Return the counts of a convolution whose output map d reads only the input maps `table[d]` (C3 of LeNet-5).

    Raises InputError like `convolution`, and for a table that is empty or names a map twice for one output.
    """
    if not table or any(len(set(inputs)) != len(inputs) or not inputs for inputs in table):
        raise InputError("table", "must list different input maps for each output map", "correct the table")
    axes = sliding(_sizes(size), kernel_size, stride, padding, dilation)
    taps = math.prod(axis.kernel_size for axis in axes)
    positions = math.prod(axis.output for axis in axes)
    parameters = sum(len(inputs) * taps + bias for inputs in table)
    return Count(parameters=parameters, connections=parameters * positions)


def subsampling(size: Sequence[Whole], *, channels: Whole, kernel_size: PerAxis = 2) -> Count:
    """Return the counts of trainable subsampling: the sum of a field times a coefficient, plus a bias, both per map.

    Fields do not overlap. Each value of a field and the bias count as one connection per output (S2 and S4 of LeNet-5).
    Raises InputError for numbers below 1 and fields larger than the image.
    """
    count = whole("channels", channels)
    axes = sliding(_sizes(size), kernel_size, kernel_size)
    field = math.prod(axis.kernel_size for axis in axes)
    positions = math.prod(axis.output for axis in axes)
    return Count(parameters=2 * count, connections=count * positions * (field + 1))


def _sizes(size: Sequence[Whole]) -> tuple[int, ...]:
    sizes = wholes("size", size)
    if not sizes:
        raise InputError("size", "must have one number for each axis, got none", "give (height, width)")
    return sizes
