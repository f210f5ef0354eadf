"""The modules of Inception v2 and v3: figures of Szegedy et al., Rethinking the Inception Architecture, 2015."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from convworks.layers.branches import Branches, Conv, normalised, path


def traditional(in_channels: int, widths: tuple[int, ...], *, kernel_size: int, pool: nn.Module) -> Branches:
    """Return a module of 1x1, a larger convolution, two of 3x3, and pooling; with 3x3 this is figure 5.

    The widths are those of 1x1; reduction and larger convolution; reduction and both 3x3; projection after pooling.
    """
    conv1x1, reduce, large, double_reduce, double, projection = widths
    return Branches(
        {
            "branch1x1": path(normalised, in_channels, Conv(conv1x1)),
            f"branch{kernel_size}x{kernel_size}": path(normalised, in_channels, Conv(reduce), Conv(large, kernel_size)),
            "branch3x3dbl": path(normalised, in_channels, Conv(double_reduce), Conv(double, 3), Conv(double, 3)),
            "branch_pool": path(normalised, in_channels, Conv(projection), pool=pool),
        }
    )


def grid_reduction(
    in_channels: int, reduce: int, conv3x3: int, double_reduce: int, double: int, *, padding: int = 0
) -> Branches:
    """Return figure 10: both branches of figure 5 with stride 2 at their end, beside pooling with stride 2."""
    return Branches(
        {
            "branch3x3": path(normalised, in_channels, Conv(reduce), Conv(conv3x3, 3, 2, padding)),
            "branch3x3dbl": path(
                normalised, in_channels, Conv(double_reduce), Conv(double, 3), Conv(double, 3, 2, padding)
            ),
            "branch_pool": nn.MaxPool2d(3, 2, padding),
        }
    )


def figure_5(in_channels: int, *widths: int) -> Branches:
    """Return the module of the 35x35 grid."""
    return traditional(in_channels, widths, kernel_size=3, pool=_average())


def with_5x5(in_channels: int, *widths: int) -> Branches:
    """Return the module of the 35x35 grid as released: one 5x5 convolution is not factorised."""
    return traditional(in_channels, widths, kernel_size=5, pool=_average())


def figure_6(in_channels: int, conv1x1: int, inner: int, end: int, projection: int) -> Branches:
    """Return the module of the 17x17 grid: 7x7 convolutions as 1x7 and 7x1."""
    row, column = (1, 7), (7, 1)
    double = (Conv(inner), Conv(inner, column), Conv(inner, row), Conv(inner, column), Conv(end, row))
    return Branches(
        {
            "branch1x1": path(normalised, in_channels, Conv(conv1x1)),
            "branch7x7": path(normalised, in_channels, Conv(inner), Conv(inner, row), Conv(end, column)),
            "branch7x7dbl": path(normalised, in_channels, *double),
            "branch_pool": path(normalised, in_channels, Conv(projection), pool=_average()),
        }
    )


def figure_7(
    in_channels: int,
    conv1x1: int,
    reduce: int,
    fork: int,
    double_reduce: int,
    double: int,
    double_fork: int,
    projection: int,
) -> Branches:
    """Return the module of the 8x8 grid, whose filter banks are expanded by forks into 1x3 and 3x1."""
    short = path(normalised, in_channels, Conv(reduce))
    short.add_module("conv2", _fork(reduce, fork))
    long = path(normalised, in_channels, Conv(double_reduce), Conv(double, 3))
    long.add_module("conv3", _fork(double, double_fork))
    return Branches(
        {
            "branch1x1": path(normalised, in_channels, Conv(conv1x1)),
            "branch3x3": short,
            "branch3x3dbl": long,
            "branch_pool": path(normalised, in_channels, Conv(projection), pool=_average()),
        }
    )


def to_17x17(in_channels: int, conv3x3: int, double_reduce: int, double: int) -> Branches:
    """Return the first grid reduction as released: figure 10 without the 1x1 convolution before the single 3x3."""
    double_steps = (Conv(double_reduce), Conv(double, 3), Conv(double, 3, 2, 0))
    return Branches(
        {
            "branch3x3": path(normalised, in_channels, Conv(conv3x3, 3, 2, 0)),
            "branch3x3dbl": path(normalised, in_channels, *double_steps),
            "branch_pool": nn.MaxPool2d(3, 2),
        }
    )


def to_8x8(in_channels: int, reduce: int, conv3x3: int, inner: int, end: int) -> Branches:
    """Return the second grid reduction as released: 7x7, as 1x7 and 7x1, in place of the first 3x3 of two."""
    factorised = (Conv(inner), Conv(inner, (1, 7)), Conv(inner, (7, 1)), Conv(end, 3, 2, 0))
    return Branches(
        {
            "branch3x3": path(normalised, in_channels, Conv(reduce), Conv(conv3x3, 3, 2, 0)),
            "branch7x7x3": path(normalised, in_channels, *factorised),
            "branch_pool": nn.MaxPool2d(3, 2),
        }
    )


FIGURES: dict[str, Callable[..., Branches]] = {
    "figure 5": figure_5,
    "5x5": with_5x5,
    "to 17x17": to_17x17,
    "figure 6": figure_6,
    "figure 10": grid_reduction,
    "to 8x8": to_8x8,
    "figure 7": figure_7,
}


def _average() -> nn.AvgPool2d:
    """Return 3x3 average pooling, padding zeros included."""
    return nn.AvgPool2d(3, 1, padding=1)


def _fork(in_channels: int, out_channels: int) -> Branches:
    """Return a 1x3 and a 3x1 convolution side by side."""
    return Branches(
        OrderedDict(
            row=normalised(in_channels, Conv(out_channels, (1, 3))),
            column=normalised(in_channels, Conv(out_channels, (3, 1))),
        )
    )
