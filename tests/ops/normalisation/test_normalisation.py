"""Batch, layer, group and instance normalisation against float64 autograd, by hand, and with wrong input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.errors import InputError
from convworks.ops.arrays import Array, Layout
from convworks.ops.normalisation import (
    batch_normalisation,
    group_normalisation,
    instance_normalisation,
    layer_normalisation,
)
from convworks.ops.normalisation.batch_normalisation import Statistics

EPSILONS = st.sampled_from([1e-5, 1e-3, 0.1])


@st.composite
def cases(draw: Any, least_rank: int = 0) -> dict[str, Any]:
    """Draw features (rank 0) or images of some mean and deviation; two samples and two places at least, for PyTorch."""
    rank = draw(st.integers(least_rank, 3))
    sizes = draw(st.tuples(*[st.integers(2, {0: 1, 1: 9, 2: 6, 3: 4}[rank])] * rank))
    groups = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(2, 5)), groups * draw(st.integers(1, 3)), *sizes)
    return {
        "x": rng.normal(draw(st.sampled_from([0.0, 5.0])), draw(st.sampled_from([0.1, 1.0, 10.0])), shape),
        "scale": rng.normal(size=shape[1]),
        "shift": rng.normal(size=shape[1]),
        "groups": groups,
        "options": {"epsilon": draw(EPSILONS), "layout": draw(st.sampled_from(["channels_first", "channels_last"]))},
        "rng": rng,
    }


@settings(max_examples=repeats(37, 150), derandomize=True)
@given(cases(), st.floats(0.0, 1.0))
def test_batch_normalisation_equals_autograd_in_float64(case: dict[str, Any], momentum: float) -> None:
    x, scale, shift, options = case["x"], case["scale"], case["shift"], case["options"]
    layout, epsilon = options["layout"], options["epsilon"]
    running = Statistics(mean=case["rng"].normal(size=x.shape[1]), variance=case["rng"].uniform(0.5, 2, x.shape[1]))
    kept = torch.tensor(running.mean), torch.tensor(running.variance)
    expected = autograd(lambda a, g, b: F.batch_norm(a, *kept, g, b, True, momentum, epsilon), x, scale, shift, case)
    given_x, message = last(x, layout), last(expected.message, layout)
    close(batch_normalisation.forward(given_x, scale, shift, **options), last(expected.z, layout))
    close(batch_normalisation.backward(message, given_x, scale, **options), last(expected.gradients[0], layout))
    gradient = batch_normalisation.gradient(message, given_x, **options)
    close(gradient.scale, expected.gradients[1])
    close(gradient.shift, expected.gradients[2])
    new = batch_normalisation.statistics(given_x, layout=layout)
    moved = batch_normalisation.moving(running, new, momentum, x.size // x.shape[1])
    close(moved.mean, kept[0].numpy())
    close(moved.variance, kept[1].numpy())

    fixed = torch.tensor(moved.mean), torch.tensor(moved.variance)
    expected = autograd(lambda a, g, b: F.batch_norm(a, *fixed, g, b, False, 0.0, epsilon), x, scale, shift, case)
    message = last(expected.message, layout)
    close(batch_normalisation.inference(given_x, scale, shift, moved, **options), last(expected.z, layout))
    back = batch_normalisation.backward_inference(message, scale, moved, **options)
    close(back, last(expected.gradients[0], layout))
    gradient = batch_normalisation.gradient_inference(message, given_x, moved, **options)
    close(gradient.scale, expected.gradients[1])
    close(gradient.shift, expected.gradients[2])


@settings(max_examples=repeats(37, 150), derandomize=True)
@given(cases())
def test_group_normalisation_equals_autograd_in_float64(case: dict[str, Any]) -> None:
    x, scale, shift, groups, options = (case[name] for name in ("x", "scale", "shift", "groups", "options"))
    expected = autograd(lambda a, g, b: F.group_norm(a, groups, g, b, options["epsilon"]), x, scale, shift, case)
    compare(group_normalisation, expected, [x, scale, shift], {"groups": groups, **options})


@settings(max_examples=repeats(25, 100), derandomize=True)
@given(cases(least_rank=1))
def test_instance_normalisation_equals_autograd_in_float64(case: dict[str, Any]) -> None:
    x, scale, shift, options = (case[name] for name in ("x", "scale", "shift", "options"))
    epsilon = options["epsilon"]
    expected = autograd(lambda a, g, b: F.instance_norm(a, None, None, g, b, eps=epsilon), x, scale, shift, case)
    compare(instance_normalisation, expected, [x, scale, shift], options)


@settings(max_examples=repeats(37, 150), derandomize=True)
@given(cases(), st.integers(0, 5))
def test_layer_normalisation_equals_autograd_in_float64(case: dict[str, Any], axes: int) -> None:
    x, epsilon = case["x"], case["options"]["epsilon"]
    axes = min(axes, x.ndim)  # 0: not given, all but the batch
    shape = x.shape[1:] if axes == 0 else x.shape[x.ndim - axes :]
    scale, shift = case["rng"].normal(size=shape), case["rng"].normal(size=shape)
    expected = autograd(lambda a, g, b: F.layer_norm(a, shape, g, b, epsilon), x, scale, shift, case)
    compare(layer_normalisation, expected, [x, scale, shift], {"axes": axes or None, "epsilon": epsilon})


class Expected(NamedTuple):
    """What autograd says: the output, a random message there, and the derivatives by each input."""

    z: Array
    message: Array
    gradients: list[Array]


def autograd(operation: Callable[..., Any], x: Array, scale: Array, shift: Array, case: dict[str, Any]) -> Expected:
    leaves = [torch.tensor(array, requires_grad=True) for array in (x, scale, shift)]
    z = operation(*leaves)
    message = case["rng"].normal(size=x.shape)
    gradients = [part.numpy() for part in torch.autograd.grad(z, leaves, torch.tensor(message))]
    return Expected(z.detach().numpy(), message, gradients)


def compare(operation: Any, expected: Expected, values: Sequence[Array], options: dict[str, Any]) -> None:
    layout = options.get("layout", "channels_first")
    x, message = last(values[0], layout), last(expected.message, layout)
    close(operation.forward(x, *values[1:], **options), last(expected.z, layout))
    close(operation.backward(message, x, values[1], **options), last(expected.gradients[0], layout))
    gradient = operation.gradient(message, x, **options)
    close(gradient.scale, expected.gradients[1])
    close(gradient.shift, expected.gradients[2])


def test_batch_normalisation_by_hand() -> None:
    x = [[1.0, 10.0], [3.0, 30.0]]  # means 2 and 20, variances 1 and 100
    assert [list(values) for values in batch_normalisation.statistics(x)] == [[2, 20], [1, 100]]
    z = batch_normalisation.forward(x, [1.0, 2.0], [0.0, 5.0], epsilon=0.0)
    np.testing.assert_array_equal(z, [[-1, 3], [1, 7]])
    new = Statistics(mean=np.array([2.0]), variance=np.array([1.0]))
    old = Statistics(mean=np.array([0.0]), variance=np.array([1.0]))
    assert batch_normalisation.moving(old, new, 0.5, 2).variance == 1.5  # (1 + 1 * 2 / 1) / 2
    assert batch_normalisation.moving(old, new, 0.5).variance == 1
    assert batch_normalisation.moving(old, new).mean == pytest.approx(0.2)


def test_one_value_a_channel_gives_the_shift() -> None:
    np.testing.assert_array_equal(batch_normalisation.forward([[7.0]], [3.0], [0.5]), [[0.5]])
    np.testing.assert_array_equal(instance_normalisation.forward([[[7.0]]], [3.0], [0.5]), [[[0.5]]])


def test_what_is_normalised_has_no_mean_and_variance_one() -> None:
    x = np.random.default_rng(0).normal(7, 3, (4, 6, 5, 5))
    ones, zeros = np.ones(6), np.zeros(6)
    for z, axes in (
        (batch_normalisation.forward(x, ones, zeros, epsilon=0.0), (0, 2, 3)),
        (instance_normalisation.forward(x, ones, zeros, epsilon=0.0), (2, 3)),
        (layer_normalisation.forward(x, np.ones((6, 5, 5)), np.zeros((6, 5, 5)), epsilon=0.0), (1, 2, 3)),
        (group_normalisation.forward(x, ones, zeros, groups=1, epsilon=0.0), (1, 2, 3)),
    ):
        np.testing.assert_allclose(z.mean(axes), 0, atol=1e-14)
        np.testing.assert_allclose(z.var(axes), 1, rtol=1e-13)


def close(actual: Array, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10)


def last(x: Array, layout: Layout) -> Array:
    return np.moveaxis(x, 1, -1).copy() if layout == "channels_last" else x


IMAGE, FOUR = np.arange(32.0).reshape(2, 4, 2, 2), np.ones(4)
FIXED = Statistics(mean=FOUR, variance=FOUR)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: batch_normalisation.forward(np.zeros(3), FOUR, FOUR), r"x: must be \[batch, feature\] or images"),
        (lambda: batch_normalisation.forward(np.zeros((0, 4)), FOUR, FOUR), r"x: must be \[batch, feature\] or images"),
        (lambda: batch_normalisation.forward(IMAGE * np.nan, FOUR, FOUR), r"x\[0, 0, 0, 0\]: is nan"),
        (lambda: batch_normalisation.forward(IMAGE, [1.0], FOUR), "scale: has 1 values for 4 channels"),
        (lambda: batch_normalisation.forward(IMAGE, FOUR, IMAGE), "shift: must have 1 axes"),
        (lambda: batch_normalisation.forward(IMAGE, FOUR, FOUR, epsilon=-1.0), "epsilon: epsilon=-1.0 must be finite"),
        (lambda: batch_normalisation.forward(IMAGE * 0, FOUR, FOUR, epsilon=0.0), "epsilon: epsilon=0 divides by a"),
        (lambda: batch_normalisation.backward(IMAGE[:1], IMAGE, FOUR), "message: must have the shape"),
        (
            lambda: batch_normalisation.inference(IMAGE, FOUR, FOUR, Statistics(FOUR, -FOUR)),
            "statistics.variance: is -1",
        ),
        (lambda: batch_normalisation.inference(IMAGE[:, :2], FOUR[:2], FOUR[:2], FIXED), "statistics.variance: has 4"),
        (lambda: batch_normalisation.moving(FIXED, FIXED, 1.5), "momentum: momentum=1.5 must lie between 0 and 1"),
        (lambda: batch_normalisation.moving(FIXED, FIXED, 0.1, 1), "count: count=1 leaves no unbiased variance"),
        (lambda: batch_normalisation.moving(FIXED, Statistics(FOUR[:2], FOUR[:2])), "new.mean: must have the shape"),
        (lambda: group_normalisation.forward(IMAGE, FOUR, FOUR, groups=3), "groups: groups=3 must divide channels=4;"),
        (lambda: group_normalisation.forward(IMAGE, FOUR, FOUR, groups=0), "groups: groups=0 must be at least 1;"),
        (lambda: instance_normalisation.forward(IMAGE[:, :, 0, 0], FOUR, FOUR), "x: must have 3 to 5 axes"),
        (lambda: layer_normalisation.forward(FOUR, FOUR, FOUR), r"x: must be \[batch, ...\]"),
        (lambda: layer_normalisation.forward(IMAGE, FOUR, FOUR), r"scale: must have the shape \(4, 2, 2\)"),
        (lambda: layer_normalisation.forward(IMAGE, FOUR, FOUR, axes=5), "axes: axes=5 must lie between 1 and 4"),
        (lambda: layer_normalisation.forward(IMAGE, FOUR, FOUR, axes=0), "axes: axes=0 must lie between 1 and 4"),
        (lambda: layer_normalisation.forward(np.zeros((2, 0)), [], []), "x: must not be empty"),
        (lambda: layer_normalisation.gradient(IMAGE[:1], IMAGE), "message: must have the shape"),
    ],
)
def test_wrong_input_is_one_line(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=f"^{line}") as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [0.1, 1e10, 1e-300, 1e300])
def test_equal_values_have_variance_0_whatever_rounding_makes_of_their_mean(value: float) -> None:
    x = np.full((3, 1), value)
    with pytest.raises(InputError, match="epsilon: epsilon=0 divides by a variance of 0"):
        batch_normalisation.forward(x, [1.0], [0.0], epsilon=0.0)
    with pytest.raises(InputError, match="epsilon: epsilon=0 divides by a variance of 0"):
        batch_normalisation.backward(x, x, [1.0], epsilon=0.0)
    with pytest.raises(InputError, match="epsilon: epsilon=0 divides by a variance of 0"):
        layer_normalisation.forward(x.T, np.ones(3), np.ones(3), epsilon=0.0)
    with pytest.raises(InputError, match="epsilon: epsilon=0 divides by a variance of 0"):
        group_normalisation.forward(x.T, np.ones(3), np.ones(3), groups=1, epsilon=0.0)
    np.testing.assert_array_equal(batch_normalisation.forward(x, [1.0], [2.0]), 2.0)
    assert [entry.tolist() for entry in batch_normalisation.statistics(x)] == [[value], [0.0]]


def test_a_plain_pair_of_statistics() -> None:
    pair = (np.zeros(4), np.ones(4))
    expected = batch_normalisation.inference(IMAGE, FOUR, FOUR, Statistics(*pair))
    np.testing.assert_array_equal(batch_normalisation.inference(IMAGE, FOUR, FOUR, pair), expected)
    three: Any = (FOUR, FOUR, FOUR)
    with pytest.raises(InputError, match=r"^statistics: must be a pair \(mean, variance\)"):
        batch_normalisation.check_statistics.__wrapped__(three)  # type: ignore[attr-defined]
