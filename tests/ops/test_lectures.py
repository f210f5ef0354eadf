"""Every worked number of the lectures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convworks.errors import InputError
from convworks.ops import chain, clipping, counts, cross_correlation, kernels
from convworks.ops.matrix import matrix
from convworks.ops.pooling import max_pooling
from convworks.ops.receptive import along_chain
from convworks.ops.shape import output_size
from convworks.ops.unit import convolution as one_unit
from convworks.ops.unit.terms import Terms

IMAGE = [[1, 0.5, 1, 0], [0, 0.25, 0.5, 1], [1, 0.25, 0, 1], [0.5, 0, 1, 1]]
FILTER = [[1, 0], [0, 2]]
POOLED = [
    [2, 2, 0, 4, 3, 4], [0, 0, 5, 0, 4, 1], [4, 5, 2, 5, 1, 4],
    [5, 2, 1, 0, 2, 1], [2, 3, 3, 3, 5, 3], [0, 3, 0, 4, 0, 1],
]  # fmt: skip


def worked(stride: int) -> Any:
    """Return the worked convolution of lecture 002."""
    return cross_correlation.forward([[IMAGE]], [[FILTER]], stride=stride)[0, 0].tolist()


def dot_product() -> Terms:
    """Return the terms of one output of a 5x5x3 filter on a 32x32x3 image."""
    return one_unit.forward(np.ones((1, 3, 32, 32)), np.ones((1, 3, 5, 5)), unit=(0, 0, 27, 27))


def fits(stride: int) -> int | str:
    """Return the output size of a 7x7 input and a 3x3 filter, or that it does not fit."""
    try:
        return output_size(7, kernel_size=3, stride=stride, rounding="exact")
    except InputError as error:
        return "does not fit" if "does not fit" in error.reason else "another error"


def pooled() -> Any:
    """Return the worked max pooling of lecture 001."""
    return max_pooling.forward([[POOLED]], kernel_size=2)[0, 0].tolist()


def clipped(gradient: list[float], limit: float) -> list[float]:
    """Return a gradient whose norm is cut to a limit."""
    (actual,) = clipping.by_global_norm([np.array(gradient)], limit)
    return [round(float(value), 15) for value in actual]


def local(channels: int) -> counts.Count:
    """Count 3x3 fields of a 32x32 image, each with weights of its own."""
    return counts.locally_connected((32, 32), kernel_size=3, in_channels=channels)


def shared(filters: int) -> counts.Count:
    """Count 3x3 filters over three channels of a 32x32 image."""
    return counts.convolution((32, 32), kernel_size=3, in_channels=3, out_channels=filters)


def lenet_c1() -> counts.Count:
    """Count the first layer of LeNet-5 as its paper prints it."""
    return counts.convolution((32, 32), kernel_size=5, out_channels=6)


VGG_16 = [*[(3, 1, 1)] * 2, (2, 2, 1), *[(3, 1, 1)] * 2, (2, 2, 1), *[*[(3, 1, 1)] * 3, (2, 2, 1)] * 3]
ALEXNET = [(11, 4, 1), (3, 2, 1), (5, 1, 1), (3, 2, 1), *[(3, 1, 1)] * 3, (3, 2, 1)]
LENET = [(5, 1, 1), (2, 2, 1), (5, 1, 1), (2, 2, 1), (5, 1, 1)]
UNET = [*[(3, 1, 1), (3, 1, 1), (2, 2, 1)] * 4, (3, 1, 1), (3, 1, 1)]


def resnet(depths: tuple[int, ...], stride_on: int) -> list[tuple[int, int, int]]:
    """List the windows of a bottleneck ResNet, its stride on the 1x1 (0) or on the 3x3 (1) convolution."""
    layers = [(7, 2, 1), (3, 2, 1)]
    for stage, depth in enumerate(depths):
        for block in range(depth):
            strides = [1, 1, 1]
            strides[stride_on] = 2 if stage and not block else 1
            layers += [(kernel, stride, 1) for kernel, stride in zip((1, 3, 1), strides, strict=True)]
    return layers


ROWS: list[tuple[str, Callable[[], Any], Any]] = [
    ("001: 32x32 pixels fully connected", lambda: counts.fully_connected(1024, 1024).parameters, 1_049_600),
    ("001: 3x3 fields, not shared, 30x30 outputs", lambda: local(1).parameters, 9_000),
    ("001: the same with three input channels", lambda: local(3).parameters, 25_200),
    ("001: shared", lambda: shared(1).parameters, 28),
    ("001: four filters", lambda: shared(4).parameters, 112),
    ("002: 4x4 input, 2x2 filter", lambda: counts.convolution((4, 4), kernel_size=2, bias=False).parameters, 4),
    ("002: the same fully connected", lambda: counts.fully_connected(16, 9, bias=False).parameters, 16 * 9),
    ("002: as a matrix, 9 outputs by 16 inputs", lambda: matrix([[FILTER]], size=4).shape, (9, 16)),
    ("002: worked convolution", lambda: worked(1), [[1.5, 1.5, 3.0], [0.5, 0.25, 2.5], [1.0, 2.25, 2.0]]),
    ("002: its first row", lambda: worked(1)[0], [1.5, 1.5, 3.0]),
    ("002: at stride 2", lambda: worked(2), [[1.5, 3.0], [1.0, 2.0]]),
    ("001: max pooling F = 2, S = 2", lambda: pooled(), [[2, 5, 4], [5, 5, 4], [3, 4, 5]]),
    ("004: 7x7 input, 3x3 filter, stride 1", lambda: fits(1), 5),
    ("004: stride 2", lambda: fits(2), 3),
    ("004: stride 3", lambda: fits(3), "does not fit"),
    ("004: 32x32 image, 5x5 filter", lambda: output_size(32, kernel_size=5, rounding="exact"), 28),
    ("004: 5x5x3 filter, one dot product", lambda: len(dot_product().values), 75),
    ("002: a chain of three, each 0.1", lambda: round(float(chain.chain([0.1, 0.1, 0.1])[-1]), 15), 0.001),
    ("002: a chain of three, each 2", lambda: float(chain.chain([2.0, 2.0, 2.0])[-1]), 8.0),
    ("000: gradient clipping, |g| = 5 > c = 1", lambda: clipped([3.0, 4.0], 1.0), [0.6, 0.8]),
    ("000: gradient clipping, |g| = 5 <= c = 6", lambda: clipped([3.0, 4.0], 6.0), [3.0, 4.0]),
    ("001: sharpen", lambda: kernels.KERNELS["sharpen"].tolist(), [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    ("LeNet-5 C1: 156 parameters, 122,304 connections", lambda: lenet_c1(), (156, 122_304)),
    ("AlexNet pool5", lambda: along_chain(ALEXNET), (195, 32)),
    ("VGG-16 pool5", lambda: along_chain(VGG_16), (212, 32)),
    ("LeNet-5 C5", lambda: along_chain(LENET), (32, 4)),
    ("U-Net bottleneck", lambda: along_chain(UNET), (140, 16)),
    ("ResNet-50", lambda: along_chain(resnet((3, 4, 6, 3), 0)), (483, 32)),
    ("ResNet-50 v1.5", lambda: along_chain(resnet((3, 4, 6, 3), 1)), (427, 32)),
    ("ResNet-101", lambda: along_chain(resnet((3, 4, 23, 3), 0)), (1027, 32)),
    ("ResNet-101 v1.5", lambda: along_chain(resnet((3, 4, 23, 3), 1)), (971, 32)),
    ("ResNet-152", lambda: along_chain(resnet((3, 8, 36, 3), 0)), (1507, 32)),
]  # fmt: skip


@pytest.mark.parametrize(("found", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_worked_number(found: Callable[[], Any], expected: Any) -> None:
    assert found() == expected
