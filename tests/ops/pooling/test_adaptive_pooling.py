"""Adaptive and global pooling against float64 autograd, by hand, and with wrong input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.errors import InputError
from convworks.ops.arrays import Array, Layout
from convworks.ops.pooling import (
    adaptive_average_pooling,
    adaptive_max_pooling,
    average_pooling,
    global_average_pooling,
    global_max_pooling,
)

AVERAGE = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    """Draw images of one to three axes, half of them with many equal values, and an output size below or above."""
    rank = draw(st.integers(1, 3))
    sizes = st.tuples(*[st.integers(1, {1: 20, 2: 11, 3: 7}[rank])] * rank)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *draw(sizes))
    return {
        "x": rng.integers(-2, 3, shape).astype(float) if draw(st.booleans()) else rng.normal(size=shape),
        "output_size": draw(sizes),
        "layout": draw(st.sampled_from(["channels_first", "channels_last"])),
        "rng": rng,
    }


@settings(max_examples=repeats(50, 200), derandomize=True)
@given(cases())
def test_adaptive_average_pooling_equals_autograd_in_float64(case: dict[str, Any]) -> None:
    x, outputs, layout = case["x"], case["output_size"], case["layout"]
    expected, message, dx = autograd(lambda leaf: AVERAGE[x.ndim - 2](leaf, outputs), x, case["rng"])
    output = adaptive_average_pooling.forward(last(x, layout), output_size=outputs, layout=layout)
    back = adaptive_average_pooling.backward(last(message, layout), size=x.shape[2:], layout=layout)
    close(output, last(expected, layout))
    close(back, last(dx, layout))
    lengths = np.linalg.norm(output) * np.linalg.norm(message)
    assert abs(np.vdot(output, last(message, layout)) - np.vdot(last(x, layout), back)) <= 1e-12 * (lengths + 1e-300)


@settings(max_examples=repeats(50, 200), derandomize=True)
@given(cases())
def test_adaptive_max_pooling_equals_autograd_in_float64(case: dict[str, Any]) -> None:
    x, outputs, layout = case["x"], case["output_size"], case["layout"]
    expected, message, dx = autograd(lambda leaf: MAX[x.ndim - 2](leaf, outputs), x, case["rng"])
    close(adaptive_max_pooling.forward(last(x, layout), output_size=outputs, layout=layout), last(expected, layout))
    back = adaptive_max_pooling.backward(last(message, layout), last(x, layout), output_size=outputs, layout=layout)
    close(back, last(dx, layout))


@settings(max_examples=repeats(25, 100), derandomize=True)
@given(cases())
def test_global_pooling_equals_autograd_in_float64(case: dict[str, Any]) -> None:
    x, layout = case["x"], case["layout"]
    rank = x.ndim - 2
    expected, message, dx = autograd(lambda leaf: AVERAGE[rank](leaf, 1).reshape(x.shape[:2]), x, case["rng"])
    close(global_average_pooling.forward(last(x, layout), layout=layout), expected)
    close(global_average_pooling.backward(message, size=x.shape[2:], layout=layout), last(dx, layout))
    expected, message, dx = autograd(lambda leaf: MAX[rank](leaf, 1).reshape(x.shape[:2]), x, case["rng"])
    close(global_max_pooling.forward(last(x, layout), layout=layout), expected)
    close(global_max_pooling.backward(message, last(x, layout), layout=layout), last(dx, layout))


def test_windows_are_floor_to_ceil() -> None:
    x = [[[1.0, 2.0, 4.0, 8.0, 16.0]]]  # 5 -> 3: windows 0..1, 1..3, 3..4
    close(adaptive_average_pooling.forward(x, output_size=3), [[[1.5, 14 / 3, 12.0]]])
    close(adaptive_max_pooling.forward(x, output_size=3), [[[2.0, 8.0, 16.0]]])
    close(adaptive_max_pooling.backward([[[1.0, 2.0, 3.0]]], x, output_size=3), [[[0, 1, 0, 2, 3]]])
    # 2 -> 4 repeats, and where the sizes divide, windows lie side by side
    close(adaptive_max_pooling.forward([[[3.0, 7.0]]], output_size=4), [[[3.0, 3.0, 7.0, 7.0]]])
    image = np.arange(64.0).reshape(1, 1, 8, 8)
    close(adaptive_average_pooling.forward(image, output_size=4), average_pooling.forward(image, kernel_size=2))


def test_images_of_any_size_become_one_size() -> None:
    for size in ((7, 7), (12, 5), (3, 9)):
        assert adaptive_average_pooling.forward(np.ones((2, 3, *size)), output_size=(6, 4)).shape == (2, 3, 6, 4)
        assert global_average_pooling.forward(np.ones((2, *size, 3)), layout="channels_last").shape == (2, 3)


def test_equal_values_send_the_message_to_the_first() -> None:
    back = global_max_pooling.backward([[5.0]], np.ones((1, 1, 2, 2)))
    np.testing.assert_array_equal(back, [[[[5.0, 0.0], [0.0, 0.0]]]])


IMAGE = np.zeros((1, 2, 4, 4))


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: adaptive_average_pooling.forward(np.zeros(3), output_size=1), "x: must have 3 to 5 axes"),
        (lambda: adaptive_average_pooling.forward(IMAGE, output_size=0), "output_size: output_size=0 must be at"),
        (lambda: adaptive_average_pooling.forward(IMAGE, output_size=(1, 2, 3)), "output_size: .* each of 2 axes"),
        (lambda: adaptive_average_pooling.backward(IMAGE, size=(4,)), "size: .* each of 2 axes"),
        (lambda: adaptive_average_pooling.forward(IMAGE + np.inf, output_size=1), r"x\[0, 0, 0, 0\]: is inf"),
        (lambda: adaptive_max_pooling.forward(np.zeros((1, 0, 2)), output_size=1), "x: must not be empty"),
        (lambda: adaptive_max_pooling.forward(IMAGE, output_size=-1), "output_size: output_size=-1 must be at least"),
        (lambda: adaptive_max_pooling.backward(IMAGE, IMAGE, output_size=3), "message: must have the shape"),
        (lambda: global_average_pooling.forward(np.zeros((2, 3))), "x: must have 3 to 5 axes"),
        (lambda: global_average_pooling.backward(IMAGE, size=(4,)), "message: must have 2 axes"),
        (lambda: global_average_pooling.backward(np.zeros((1, 2)), size=(0,)), "size: size=0 must be at least 1"),
        (lambda: global_average_pooling.backward(np.zeros((1, 2)), size=()), "size: .* must have 1 to 3 axes"),
        (lambda: global_max_pooling.forward([["a"]]), "x: is not an array of numbers"),
        (lambda: global_max_pooling.backward(np.zeros((1, 3)), IMAGE), "message: must have the shape"),
    ],
)
def test_wrong_input_is_one_line(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=f"^{line}") as caught:
        call()
    assert "\n" not in str(caught.value)


def autograd(pool: Callable[[torch.Tensor], torch.Tensor], x: Array, rng: np.random.Generator) -> tuple[Any, ...]:
    leaf = torch.tensor(x, requires_grad=True)
    expected = pool(leaf)
    message = rng.normal(size=tuple(expected.shape))
    (dx,) = torch.autograd.grad(expected, leaf, torch.tensor(message))
    return expected.detach().numpy(), message, dx.numpy()


def close(actual: Array, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10)


def last(x: Array, layout: Layout) -> Array:
    return np.moveaxis(x, 1, -1).copy() if layout == "channels_last" else x
