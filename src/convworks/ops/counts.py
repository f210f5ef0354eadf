"""How many parameters a layer has, and how many connections (lectures 001, CNNs; 002, Convolution).

A connection is a weight or a bias as it is used at one output: an unshared parameter makes one, a shared one makes one
at every place. Taps that fall on padding are counted, as if the zeros there were pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from convworks.errors import InputError
from convworks.ops.cross_correlation import check_groups
from convworks.ops.shape import Padding, PerAxis, per_axis, sliding


class Count(NamedTuple):
    """Parameters to learn (weights and biases), and connections: their uses at all outputs together."""

    parameters: int
    connections: int


def fully_connected(inputs: int, outputs: int, *, bias: bool = True) -> Count:
    """Return outputs * (inputs + 1) for both (lecture 001, CNNs: 32^2 (32^2 + 1), about 1 M).

    Raises InputError for numbers below 1.
    """
    _check(inputs=inputs, outputs=outputs)
    parameters = outputs * (inputs + bias)
    return Count(parameters=parameters, connections=parameters)


def locally_connected(
    size: Sequence[int],
    *,
    kernel_size: PerAxis,
    in_channels: int = 1,
    out_channels: int = 1,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
    bias: bool = True,
) -> Count:
    """Return the counts of receptive fields without sharing: each output has weights and a bias of its own.

    out * places * (in / groups * taps + 1) for both (lecture 001, CNNs: 30^2 (3^2 + 1), 9 k). Raises InputError like
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
    size: Sequence[int],
    *,
    kernel_size: PerAxis,
    in_channels: int = 1,
    out_channels: int = 1,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
    bias: bool = True,
) -> Count:
    """Return the counts of a convolution on images of `size`: its filters are shared by all places.

    Parameters out * (in / groups * taps + 1), connections that many at each place (lecture 001, CNNs: 3 * 3^2 + 1 = 28,
    and 112 with 4 filters). Raises InputError for numbers below 1, groups that do not divide the channels, and kernels
    larger than the padded image.
    """
    _check(in_channels=in_channels, out_channels=out_channels)
    check_groups(groups, out_channels, in_channels)
    table = [range(in_channels // groups)] * out_channels
    return partial_convolution(
        size, table, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, bias=bias
    )


def partial_convolution(
    size: Sequence[int],
    table: Sequence[Sequence[int]],
    *,
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    bias: bool = True,
) -> Count:
    """Return the counts of a convolution whose output map d sees the input maps `table[d]` only (C3 of LeNet-5).

    Raises InputError like `convolution`, and for a table that is empty or names a map twice for one output.
    """
    if not table or any(len(set(inputs)) != len(inputs) or not inputs for inputs in table):
        raise InputError("table", "must list different input maps for each output map", "correct the table")
    axes = sliding(_sizes(size), kernel_size, stride, padding, dilation)
    taps = math.prod(axis.kernel_size for axis in axes)
    places = math.prod(axis.output for axis in axes)
    parameters = sum(len(inputs) * taps + bias for inputs in table)
    return Count(parameters=parameters, connections=parameters * places)


def subsampling(size: Sequence[int], *, channels: int, kernel_size: PerAxis = 2) -> Count:
    """Return the counts of trainable subsampling: the sum of a field times a coefficient, plus a bias, each map's own.

    Fields touch without overlap. At an output each value of the field is a connection, and the bias one more (S2 and S4
    of LeNet-5). Raises InputError for numbers below 1 and fields larger than the image.
    """
    _check(channels=channels)
    axes = sliding(_sizes(size), kernel_size, kernel_size)
    field = math.prod(axis.kernel_size for axis in axes)
    places = math.prod(axis.output for axis in axes)
    return Count(parameters=2 * channels, connections=channels * places * (field + 1))


def _sizes(size: Sequence[int]) -> tuple[int, ...]:
    if not size:
        raise InputError("size", "must have one number for each axis, got none", "give (height, width)")
    return per_axis("size", size, len(size))


def _check(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise InputError(name, f"{name}={number} must be at least 1", "give a positive whole number")
