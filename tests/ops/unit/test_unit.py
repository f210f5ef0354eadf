"""The terms of every unit, message and parameter add up to what the operation computes for all at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convworks.errors import InputError
from convworks.ops import cross_correlation, fully_connected, up_convolution
from convworks.ops import unit as one
from convworks.ops.arrays import Array
from convworks.ops.normalisation import batch_normalisation
from convworks.ops.normalisation.batch_normalisation import Statistics
from convworks.ops.pooling import average_pooling, max_pooling
from convworks.ops.unit import average_pooling as one_average
from convworks.ops.unit import batch_normalisation as one_norm
from convworks.ops.unit import convolution as one_convolution
from convworks.ops.unit import fully_connected as one_layer
from convworks.ops.unit import max_pooling as one_max
from convworks.ops.unit import up_convolution as one_up
from convworks.ops.unit.terms import Terms

RNG = np.random.default_rng(0)
SLIDING: list[dict[str, Any]] = [
    {},
    {"stride": 2},
    {"dilation": 2},
    {"groups": 2},
    {"padding": ((2, 0), (0, 1))},
    {"padding": "full", "stride": (2, 3)},
    {"stride": 2, "dilation": (1, 2), "groups": 2, "padding": 1},
]


def all_of(expected: Array, explain: Callable[[tuple[int, ...]], Terms]) -> None:
    """Compare every entry of an array with the sum of its terms."""
    actual = np.zeros_like(expected)
    for index in np.ndindex(expected.shape):
        actual[index] = explain(index).sum
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", SLIDING, ids=map(str, SLIDING))
def test_convolution(options: dict[str, Any]) -> None:
    groups = options.get("groups", 1)
    x, weight, bias = RNG.normal(size=(2, 2, 5, 6)), RNG.normal(size=(4, 2 // groups, 2, 3)), RNG.normal(size=4)
    z = cross_correlation.forward(x, weight, bias, **options)
    message = RNG.normal(size=z.shape)
    all_of(z, lambda unit: one_convolution.forward(x, weight, bias, unit=unit, **options))
    back = cross_correlation.backward(message, weight, size=(5, 6), **options)
    all_of(back, lambda at: one_convolution.backward(message, weight, position=at, size=(5, 6), **options))
    gradient = cross_correlation.gradient(message, x, kernel_size=(2, 3), **options)
    all_of(gradient.weight, lambda i: one_convolution.gradient(message, x, index=i, kernel_size=(2, 3), **options))
    all_of(gradient.bias, lambda i: one_convolution.bias_gradient(message, channel=i[0]))


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "output_padding": 1}, {"dilation": 2, "padding": 1, "groups": 2}]
)
def test_up_convolution(options: dict[str, Any]) -> None:
    groups = options.get("groups", 1)
    x, weight, bias = RNG.normal(size=(2, 2, 3, 4)), RNG.normal(size=(2, 2, 3, 2)), RNG.normal(size=2 * groups)
    z = up_convolution.forward(x, weight, bias, **options)
    message = RNG.normal(size=z.shape)
    all_of(z, lambda unit: one_up.forward(x, weight, bias, unit=unit, **options))
    options = {name: value for name, value in options.items() if name != "output_padding"}
    back = up_convolution.backward(message, weight, **options)
    all_of(back, lambda at: one_up.backward(message, weight, position=at, **options))
    gradient = up_convolution.gradient(message, x, kernel_size=(3, 2), **options)
    all_of(gradient.weight, lambda i: one_up.gradient(message, x, index=i, kernel_size=(3, 2), **options))


POOLS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": (3, 2), "stride": 2, "padding": 1, "rounding": "ceil"},
    {"kernel_size": 3, "stride": 1},
]


@pytest.mark.parametrize("options", POOLS, ids=map(str, POOLS))
def test_pooling(options: dict[str, Any]) -> None:
    x = RNG.integers(0, 4, size=(2, 2, 6, 5)).astype(float)  # many ties
    z = max_pooling.forward(x, **options)
    message = RNG.normal(size=z.shape)
    all_of(z, lambda unit: one_max.forward(x, unit=unit, **options))
    all_of(max_pooling.backward(message, x, **options), lambda at: one_max.backward(message, x, position=at, **options))
    for count_padding in (True, False):
        chosen = options | {"count_padding": count_padding}
        all_of(average_pooling.forward(x, **chosen), lambda u, c=chosen: one_average.forward(x, unit=u, **c))  # type: ignore[misc]
        back = average_pooling.backward(message, size=(6, 5), **chosen)
        all_of(back, lambda at, c=chosen: one_average.backward(message, position=at, size=(6, 5), **c))  # type: ignore[misc]


def test_fully_connected() -> None:
    x, weight, bias, message = (RNG.normal(size=shape) for shape in ((3, 4), (5, 4), (5,), (3, 5)))
    all_of(fully_connected.forward(x, weight, bias), lambda unit: one_layer.forward(x, weight, bias, unit=unit))
    all_of(fully_connected.backward(message, weight), lambda at: one_layer.backward(message, weight, position=at))
    gradient = fully_connected.gradient(message, x)
    all_of(gradient.weight, lambda i: one_layer.gradient(message, x, index=i))


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (2, 2, 3, 4)])
def test_batch_normalisation(shape: tuple[int, ...]) -> None:
    x, message = RNG.normal(size=shape), RNG.normal(size=shape)
    scale, shift = RNG.normal(size=shape[1]), RNG.normal(size=shape[1])
    all_of(batch_normalisation.forward(x, scale, shift), lambda u: one_norm.forward(x, scale, shift, unit=u))
    all_of(batch_normalisation.backward(message, x, scale), lambda p: one_norm.backward(message, x, scale, position=p))
    gradient = batch_normalisation.gradient(message, x)
    all_of(gradient.scale, lambda i: one_norm.gradient(message, x, channel=i[0]))
    fixed = Statistics(RNG.normal(size=shape[1]), RNG.uniform(0.5, 2, size=shape[1]))
    z = batch_normalisation.inference(x, scale, shift, fixed)
    all_of(z, lambda u: one_norm.forward(x, scale, shift, unit=u, statistics=fixed))
    back = batch_normalisation.backward_inference(message, scale, fixed)
    all_of(back, lambda p: one_norm.backward(message, x, scale, position=p, statistics=fixed))
    gradient = batch_normalisation.gradient_inference(message, x, fixed)
    all_of(gradient.scale, lambda i: one_norm.gradient(message, x, channel=i[0], statistics=fixed))


def test_places_lead_to_the_values() -> None:
    """Each term can be looked up: value in the tensor it was read from, weight in the weights."""
    x, weight = RNG.normal(size=(2, 4, 6, 6)), RNG.normal(size=(6, 2, 3, 3))
    output = one_convolution.forward(x, weight, unit=(1, 4, 0, 1), stride=2, groups=2)
    assert [x[tuple(place)] for place in output.positions] == output.values.tolist()
    assert [weight[tuple(place)] for place in output.weight_positions] == output.weights.tolist()
    assert {place[1] for place in output.positions.tolist()} == {2, 3}
    z = cross_correlation.forward(x, weight, stride=2, groups=2)
    back = one_convolution.backward(z, weight, position=(0, 3, 2, 2), size=6, stride=2, groups=2)
    assert [z[tuple(place)] for place in back.positions] == back.values.tolist()
    assert len(back.values) == 3 * 4  # three filters; two windows see row 2 and two see column 2


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda: one_convolution.forward(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), unit=(0, 0, 2, 0)), "unit: "),
        (
            lambda: one_max.forward(np.ones((1, 1, 4, 4)), unit=(0, 0, 2), kernel_size=2),
            "unit: (0, 0, 2) is not an index",
        ),
        (lambda: one_layer.backward(np.ones((1, 2)), np.ones((2, 3)), position=(0, -1)), "position: (0, -1) is no"),
        (lambda: one_norm.gradient(np.ones((2, 3)), np.ones((2, 3)), channel=3), "channel: (3,) is not an index"),
    ],
    ids=itertools.count(),
)
def test_an_index_outside_is_told_in_one_line(ask: Callable[[], Terms], line: str) -> None:
    assert one.__doc__
    with pytest.raises(InputError) as caught:
        ask()
    assert str(caught.value).startswith(line)


ONE, ROW = np.ones((1, 1, 4, 4)), np.ones((2, 2))


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (
            lambda: one_average.backward(ONE[:, :, :1, :1], position=(0, 0, 0, 0), size=(4, 4), kernel_size=2),
            "message: ",
        ),
        (lambda: one_average.forward(ONE, unit=(0, 0, 0, 0), kernel_size=2, stride=0), "stride: stride=0 must be"),
        (lambda: one_max.forward(ONE, unit=(0, 0, 0, 0), kernel_size=2, stride=0), "stride: stride=0 must be"),
        (lambda: one_max.forward(ONE, unit=(0, 0, 0, 0), kernel_size=1, padding=1), "padding: "),
        (lambda: one_layer.forward(ROW[:, :1], np.ones((2, 4)), unit=(0, 0)), "x: has 1 features, and weight of"),
        (lambda: one_layer.forward(ROW, np.ones((3, 2)), [1.0], unit=(0, 2)), "bias: has 1 values for 3 output"),
        (lambda: one_layer.backward(ROW, np.ones((3, 2)), position=(0, 0)), "message: must have the shape (2, 3)"),
        (lambda: one_layer.gradient(np.ones((3, 2)), np.ones((1, 2)), index=(0, 0)), "message: must have the shape"),
        (lambda: one_norm.forward(ROW, [1.0], [1.0, 1.0], unit=(0, 1)), "scale: has 1 values for 2 channels"),
        (lambda: one_norm.forward(ROW, [1.0, 1.0], [1.0], unit=(0, 1)), "shift: has 1 values for 2 channels"),
        (lambda: one_norm.backward(ROW, ROW, [1.0], position=(0, 1)), "scale: has 1 values for 2 channels"),
        (
            lambda: one_norm.forward(ROW, [1, 1], [1, 1], unit=(0, 1), statistics=([1.0], [1.0])),
            "statistics.mean: has 1 values for 2 channels",
        ),
        (lambda: one_norm.forward(ROW, [1, 1], [1, 1], unit=(0, 1), epsilon=0.0), "epsilon: epsilon=0 divides"),
        (lambda: one_up.forward(ONE, np.ones((2, 1, 2, 2)), unit=(0, 0, 0, 0)), "x: has 1 channels, and weight of"),
        (lambda: one_up.forward(ONE, np.ones((1, 1, 2, 2)), unit=(0, 0, 5, 0)), "unit: (0, 0, 5, 0) is not an index"),
        (lambda: one_up.forward(ONE, np.ones((1, 1, 2, 2)), unit=(0,)), "unit: (0,) is not an index"),
        (lambda: one_up.backward(ONE, np.ones((1, 1, 2, 2)), position=(0, 0, 3, 0)), "position: (0, 0, 3, 0) is no"),
        (lambda: one_up.gradient(ONE, ONE, index=(0, 0, 0, 0), kernel_size=2), "message: of batch 1 and size (4, 4)"),
        (lambda: one_convolution.bias_gradient(np.ones(3), channel=0), "message: must be [batch, feature] or"),
    ],
    ids=itertools.count(),
)
def test_what_does_not_match_is_told_in_one_line(ask: Callable[[], Terms], line: str) -> None:
    with pytest.raises(InputError) as caught:
        ask()
    assert str(caught.value).startswith(line)
