"""Values at the door: what counts as numbers, what is beyond float64, and which shape an error prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from convworks.errors import InputError
from convworks.ops import (
    convolution,
    cross_correlation,
    cross_entropy,
    fully_connected,
    residual,
    squared_error,
    up_convolution,
)
from convworks.ops.activation import relu, softmax
from convworks.ops.arrays import floats
from convworks.ops.matrix import to_convolution, to_fully_connected
from convworks.ops.normalisation import (
    batch_normalisation,
    group_normalisation,
    layer_normalisation,
    local_response_normalisation,
)
from convworks.ops.pooling import average_pooling, global_average_pooling, max_pooling
from convworks.ops.unit import convolution as one_convolution
from convworks.ops.unit import fully_connected as one_layer


@pytest.mark.parametrize(
    "values",
    [[[1, 2]], ((1.0, 2.0),), [[True, 2]], np.array([[1, 2]], np.float32), torch.tensor([[1.0, 2.0]]),
     torch.nn.Parameter(torch.tensor([[1.0, 2.0]]))],
)  # fmt: skip
def test_numbers_of_any_real_kind_become_float64(values: Any) -> None:
    actual = floats("x", values)
    assert actual.dtype == np.float64
    assert actual.tolist() == [[1.0, 2.0]]
    assert floats("x", 3).tolist() == 3.0
    assert floats("x", True).tolist() == 1.0


def test_a_parameter_goes_through_an_operation() -> None:
    parameter: Any = torch.nn.Parameter(torch.tensor([[-1.0, 2.0]]))
    assert relu.forward(parameter).tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize(
    "values",
    [1 + 2j, [1j], np.array([1.0 + 0j]), torch.tensor([1j]), 10**400, [10**400], "1.5", ["1"], {}, object(),
     np.array(["2020"], "datetime64"), [[1.0], [1.0, 2.0]]],
)  # fmt: skip
def test_other_values_are_refused(values: Any) -> None:
    with pytest.raises(InputError, match=r"^x: is not an array of numbers") as caught:
        floats("x", values)
    assert "\n" not in str(caught.value)


def test_none_is_no_number() -> None:
    with pytest.raises(InputError, match=r"^x: is nan"):
        floats("x", None)


BIG, HUGE = np.array([[1e200, -1e200], [1e200, 3e200]]), np.array([[1.7e308, -1.7e308], [1.7e308, 1e308]])
IMAGE, ONES = np.full((1, 2, 2, 2), 1e200), np.ones(2)
TOO_LARGE: list[Callable[[], object]] = [
    lambda: batch_normalisation.forward(BIG.T, ONES, ONES),
    lambda: batch_normalisation.forward(HUGE, ONES, ONES),
    lambda: batch_normalisation.backward(BIG.T, BIG.T, ONES),
    lambda: batch_normalisation.gradient(BIG.T, BIG.T),
    lambda: batch_normalisation.statistics(BIG.T),
    lambda: layer_normalisation.forward(BIG, ONES, ONES),
    lambda: group_normalisation.forward(BIG, ONES, ONES, groups=1),
    lambda: local_response_normalisation.forward(IMAGE),
    lambda: local_response_normalisation.backward(IMAGE, IMAGE),
    lambda: squared_error.forward(BIG, -BIG),
    lambda: squared_error.backward(HUGE, -HUGE),
    lambda: cross_entropy.forward(HUGE, [1, 0]),
    lambda: cross_correlation.forward(IMAGE, IMAGE),
    lambda: cross_correlation.backward(IMAGE[:, :1, :1, :1], IMAGE * 1e100, size=2),
    lambda: cross_correlation.gradient(IMAGE, IMAGE, kernel_size=1),
    lambda: up_convolution.forward(IMAGE, IMAGE.reshape(2, 1, 2, 2)),
    lambda: fully_connected.forward(BIG, BIG),
    lambda: average_pooling.forward(IMAGE * 1e108, kernel_size=2),
    lambda: global_average_pooling.forward(IMAGE * 1e108),
    lambda: residual.forward(HUGE, HUGE),
]


@pytest.mark.parametrize("call", TOO_LARGE)
def test_values_too_large_are_told_in_one_line_and_without_warning(call: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=r"^(x|values): too large: the result is beyond the range of float64"):
        call()


def test_what_is_within_the_range_is_computed() -> None:
    np.testing.assert_array_equal(softmax.forward(HUGE), [[1.0, 0.0], [1.0, 0.0]])
    assert cross_entropy.forward(HUGE, [0, 0]) == 0
    np.testing.assert_array_equal(cross_entropy.backward(HUGE, [0, 0]), 0)
    np.testing.assert_array_equal(batch_normalisation.forward(BIG[:, :1], [2.0], [1.0]), 1)


def test_shapes_are_told_in_the_order_of_the_caller() -> None:
    x = np.ones((1, 4, 5, 3))
    with pytest.raises(InputError, match=r"shape \(1, 2, 2, 3\) of the values it belongs to, got \(1, 2, 2, 4\)"):
        max_pooling.backward(np.ones((1, 2, 2, 4)), x, kernel_size=2, layout="channels_last")
    with pytest.raises(InputError, match=r"shape \(1, 3, 4, 2\) of the values it belongs to, got \(1, 9, 4, 2\)"):
        cross_correlation.gradient(np.ones((1, 9, 4, 2)), x, kernel_size=2, layout="channels_last")


@pytest.mark.parametrize("call", [
    lambda: to_convolution(np.ones((2, 4)), size=(2, 2), layout="NHWC"),
    lambda: to_fully_connected(np.ones((2, 1, 2, 2)), layout="NHWC"),
    lambda: global_average_pooling.backward([[1.0]], size=(2,), layout="NHWC"),
    lambda: batch_normalisation.forward(np.ones((2, 2)), [1.0, 1.0], [1.0, 1.0], layout="NHWC"),
])  # fmt: skip
def test_an_unknown_layout_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=r"^layout: 'NHWC' is not known"):
        call()


def test_results_are_no_views_of_the_arguments() -> None:
    weight, kernel, x = np.ones((2, 4)), np.ones((2, 1, 2, 2)), np.ones((1, 1, 3, 3))
    layouts = ("channels_first", "channels_last")
    results = [
        (weight, [to_convolution(weight, size=(2, 2), layout=layout) for layout in layouts]),
        (kernel, [*(to_fully_connected(kernel, layout=layout) for layout in layouts), convolution.flip(kernel)]),
        (weight, [one_layer.forward(weight, weight, unit=(0, 0)).weights]),
        (weight, [one_layer.forward(weight, weight, unit=(0, 0)).values]),
        (weight, [one_layer.backward(np.ones((1, 2)), weight, position=(0, 0)).weights]),
        (kernel, [one_convolution.forward(x, kernel, unit=(0, 0, 0, 0)).weights]),
    ]
    assert not any(np.shares_memory(source, actual) for source, all_found in results for actual in all_found)
