from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.errors import InputError
from convworks.models.lenet import CONNECTIONS
from convworks.ops import counts
from convworks.ops.counts import Count


def test_the_rows_of_the_lectures() -> None:
    grey, colour = {"size": (32, 32), "kernel_size": 3}, {"size": (32, 32), "kernel_size": 3, "in_channels": 3}
    assert counts.fully_connected(32 * 32, 32 * 32).parameters == 1024 * 1025 == 1_049_600
    assert counts.locally_connected(**grey).parameters == 9_000  # type: ignore[arg-type]
    assert counts.locally_connected(**colour).parameters == 25_200  # type: ignore[arg-type]
    assert counts.convolution(**colour) == Count(28, 25_200)  # type: ignore[arg-type]
    assert counts.convolution(**colour, out_channels=4) == Count(112, 4 * 25_200)  # type: ignore[arg-type]


def test_four_parameters_against_sixteen_times_nine() -> None:
    assert counts.convolution((4, 4), kernel_size=2, bias=False) == Count(4, 36)
    assert counts.fully_connected(16, 9, bias=False) == Count(144, 144)


def test_lenet5_of_1998() -> None:
    layers = {
        "C1": counts.convolution((32, 32), kernel_size=5, out_channels=6),
        "S2": counts.subsampling((28, 28), channels=6),
        "C3": counts.partial_convolution((14, 14), CONNECTIONS, kernel_size=5),
        "S4": counts.subsampling((10, 10), channels=16),
        "C5": counts.convolution((5, 5), kernel_size=5, in_channels=16, out_channels=120),
        "F6": counts.fully_connected(120, 84),
    }
    assert layers == {
        "C1": Count(156, 122_304),
        "S2": Count(12, 5_880),
        "C3": Count(1_516, 151_600),
        "S4": Count(32, 2_000),
        "C5": Count(48_120, 48_120),
        "F6": Count(10_164, 10_164),
    }
    assert sum(layer.parameters for layer in layers.values()) == 60_000
    # The output units' connections are there although their codes are not trained.
    outputs = counts.fully_connected(84, 10, bias=False).connections
    assert sum(layer.connections for layer in layers.values()) + outputs == 340_908


@settings(max_examples=repeats(20, 40), derandomize=True)
@given(
    size=st.lists(st.integers(4, 9), min_size=1, max_size=3),
    kernel_size=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    groups=st.integers(1, 3),
    multiples=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    bias=st.booleans(),
)
def test_pytorch_counts_the_same_parameters(
    size: list[int],
    kernel_size: int,
    stride: int,
    padding: int,
    groups: int,
    multiples: tuple[int, int],
    bias: bool,
) -> None:
    in_channels, out_channels = groups * multiples[0], groups * multiples[1]
    kind = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)[len(size) - 1]
    with torch.device("meta"):
        layer = kind(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias)
        places = layer(torch.empty(1, in_channels, *size))[0, 0].numel()
    options: dict[str, Any] = {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "groups": groups,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "bias": bias,
    }
    parameters = sum(parameter.numel() for parameter in layer.parameters())
    assert counts.convolution(size, **options) == Count(parameters, parameters * places)
    assert counts.locally_connected(size, **options) == Count(parameters * places, parameters * places)


def test_connections_one_by_one() -> None:
    # Every place o of a dilated, strided axis of 9 pixels lists what it reads: weights of 2 channels, and a bias.
    read = [(o, c, o * 2 + t * 2) for o, c, t in itertools.product(range(3), range(2), range(3)) if o * 2 + 4 < 9]
    count_result = counts.convolution((9,), kernel_size=3, stride=2, dilation=2, in_channels=2, out_channels=5)
    assert count_result.connections == 5 * (len(read) + 3)


def test_a_whole_image_kernel_is_a_fully_connected_layer() -> None:
    whole = counts.convolution((7, 7), kernel_size=7, in_channels=512, out_channels=4096)
    assert whole == counts.locally_connected((7, 7), kernel_size=7, in_channels=512, out_channels=4096)
    assert whole == counts.fully_connected(7 * 7 * 512, 4096)


@pytest.mark.parametrize("function", [counts.convolution, counts.locally_connected])
def test_wrong_convolutions(function: Any) -> None:
    with pytest.raises(InputError, match="groups: groups=3 must divide in_channels=4"):
        function((8, 8), kernel_size=3, in_channels=4, out_channels=6, groups=3)
    with pytest.raises(InputError, match="kernel_size=9 must not exceed"):
        function((8, 8), kernel_size=9)
    with pytest.raises(InputError, match="out_channels=0 must be at least 1"):
        function((8, 8), kernel_size=3, out_channels=0)
    with pytest.raises(InputError, match="size=-8 must be at least 1"):
        function((8, -8), kernel_size=1, padding=9)
    with pytest.raises(InputError, match="size: must have one number for each axis"):
        function((), kernel_size=1)


def test_wrong_numbers() -> None:
    with pytest.raises(InputError, match="inputs=0 must be at least 1"):
        counts.fully_connected(0, 3)
    with pytest.raises(InputError, match="channels=0 must be at least 1"):
        counts.subsampling((4, 4), channels=0)


@pytest.mark.parametrize("table", [(), ((0, 1), ()), ((0, 0),)])
def test_wrong_tables(table: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(InputError, match="table: must list different input maps"):
        counts.partial_convolution((8, 8), table, kernel_size=3)
