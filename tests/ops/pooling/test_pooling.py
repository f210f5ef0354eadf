"""Max and average pooling against float64 autograd, their rules, and wrong input."""

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
from convworks.ops.pooling import average_pooling, max_pooling

MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
SIDES = {1: 12, 2: 8, 3: 6}


@st.composite
def cases(draw: Any, *, uneven: bool = False, dilated: bool = True) -> dict[str, Any]:
    """Draw images with many equal values, and a window: with PyTorch's paddings, or with any (`uneven`)."""
    rank = draw(st.integers(1, 3))
    kernel = draw(st.tuples(*[st.integers(1, 4)] * rank))
    dilation = draw(st.tuples(*[st.integers(1, 3 if dilated else 1)] * rank))
    if uneven:
        padding: Any = draw(st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * rank))
        total = [sum(pair) for pair in padding]
    else:
        padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
        total = [2 * zeros for zeros in padding]
    if rank == 3 and not dilated:  # the backward of PyTorch's avg_pool3d wants images as large as the kernel
        total = [0] * rank
    least = [max(1, d * (k - 1) + 1 - p) for k, d, p in zip(kernel, dilation, total, strict=True)]
    size = tuple(draw(st.integers(n, max(n, SIDES[rank]))) for n in least)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *size)
    return {
        "x": rng.integers(-2, 3, shape).astype(float) if draw(st.booleans()) else rng.normal(size=shape),
        "layout": draw(st.sampled_from(["channels_first", "channels_last"])),
        "sliding": {
            "kernel_size": kernel,
            "stride": draw(st.none() | st.tuples(*[st.integers(1, 3)] * rank)),
            "padding": padding,
            "dilation": dilation,
            "rounding": draw(st.sampled_from(["floor", "ceil"])),
        },
        "count_padding": draw(st.booleans()),
        "rng": rng,
    }


@settings(max_examples=repeats(75, 300), derandomize=True)
@given(cases())
def test_max_pooling_equals_autograd_in_float64(case: dict[str, Any]) -> None:
    x, sliding, layout = case["x"], case["sliding"], case["layout"]
    leaf = torch.tensor(x, requires_grad=True)
    options = {name: value for name, value in sliding.items() if name != "rounding"}
    expected = MAX[x.ndim - 2](leaf, **options, ceil_mode=sliding["rounding"] == "ceil")
    if torch.isinf(expected).any():  # a window in padding only: PyTorch lets it pass, and its backward then crashes
        refused(lambda: max_pooling.forward(x, **sliding), "padding: ")
        return
    message = case["rng"].normal(size=tuple(expected.shape))
    (dx,) = torch.autograd.grad(expected, leaf, torch.tensor(message))
    close(max_pooling.forward(last(x, layout), **sliding, layout=layout), last(expected, layout))
    back = max_pooling.backward(last(message, layout), last(x, layout), **sliding, layout=layout)
    close(back, last(dx, layout))


@settings(max_examples=repeats(50, 200), derandomize=True)
@given(cases(dilated=False))
def test_average_pooling_equals_autograd_in_float64(case: dict[str, Any]) -> None:
    x, layout = case["x"], case["layout"]
    sliding = {name: value for name, value in case["sliding"].items() if name != "dilation"}
    options = {name: value for name, value in sliding.items() if name != "rounding"}
    options |= {"ceil_mode": sliding["rounding"] == "ceil", "count_include_pad": case["count_padding"]}
    leaf = torch.tensor(x, requires_grad=True)
    expected = AVERAGE[x.ndim - 2](leaf, **options)
    message = case["rng"].normal(size=tuple(expected.shape))
    (dx,) = torch.autograd.grad(expected, leaf, torch.tensor(message))
    sliding |= {"count_padding": case["count_padding"], "layout": layout}
    close(average_pooling.forward(last(x, layout), **sliding), last(expected, layout))
    close(average_pooling.backward(last(message, layout), size=x.shape[2:], **sliding), last(dx, layout))


@settings(max_examples=repeats(50, 200), derandomize=True)
@given(cases(uneven=True))
def test_any_padding_equals_the_padded_image_in_float64(case: dict[str, Any]) -> None:
    x, sliding = case["x"], case["sliding"] | {"rounding": "floor"}
    rank, pads = x.ndim - 2, [zeros for pair in reversed(sliding["padding"]) for zeros in pair]
    leaf = torch.tensor(x, requires_grad=True)
    steps = {name: sliding[name] or sliding["kernel_size"] for name in ("stride", "dilation")}
    seen = MAX[rank](F.pad(leaf, pads, value=-torch.inf), sliding["kernel_size"], **steps)
    message = case["rng"].normal(size=tuple(seen.shape))
    inside = bool(torch.isfinite(seen).all())
    if inside:
        close(max_pooling.forward(x, **sliding), seen)
        (dx,) = torch.autograd.grad(seen, leaf, torch.tensor(message))
        close(max_pooling.backward(message, x, **sliding), dx)
    else:
        refused(lambda: max_pooling.forward(x, **sliding), "padding: ")
        refused(lambda: max_pooling.backward(message, x, **sliding), "padding: ")

    # the mean as a convolution with ones, divided by what it gives for an image of ones
    ones = torch.ones((x.shape[1], 1, *sliding["kernel_size"]), dtype=torch.float64)
    count = F.pad(torch.ones_like(leaf), pads, value=1.0 if case["count_padding"] else 0.0)
    if not (inside or case["count_padding"]):
        refused(lambda: average_pooling.forward(x, **sliding, count_padding=False), "padding: ")
        return
    mean, n = (CONV[rank](image, ones, groups=x.shape[1], **steps) for image in (F.pad(leaf, pads), count))
    (dx,) = torch.autograd.grad(mean / n, leaf, torch.tensor(message))
    output = average_pooling.forward(x, **sliding, count_padding=case["count_padding"])
    back = average_pooling.backward(message, size=x.shape[2:], **sliding, count_padding=case["count_padding"])
    close(output, mean / n)
    close(back, dx)
    assert abs(np.vdot(output, message) - np.vdot(x, back)) <= 1e-12 * (
        np.linalg.norm(output) * np.linalg.norm(message) + 1e-300
    )


def test_overlapping_windows_add_their_messages_at_a_shared_maximum() -> None:
    x = [[[0.0, 9.0, 0.0]]]
    np.testing.assert_array_equal(max_pooling.backward([[[2.0, 3.0]]], x, kernel_size=2, stride=1), [[[0.0, 5.0, 0.0]]])
    np.testing.assert_array_equal(
        average_pooling.backward([[[2.0, 4.0]]], size=3, kernel_size=2, stride=1), [[[1.0, 3.0, 2.0]]]
    )


def test_padding_never_wins_and_overhang_never_counts() -> None:
    x = np.full((1, 1, 3), -4.0)
    np.testing.assert_array_equal(max_pooling.forward(x, kernel_size=3, stride=1, padding=1), x)
    output = average_pooling.forward(x, kernel_size=2, padding=1, rounding="ceil")
    np.testing.assert_array_equal(output, [[[-2.0, -4.0]]])
    np.testing.assert_array_equal(average_pooling.forward(x, kernel_size=2, rounding="ceil"), [[[-4.0, -4.0]]])
    output = average_pooling.forward(x, kernel_size=2, padding=1, count_padding=False)
    np.testing.assert_array_equal(output, [[[-4.0, -4.0]]])


@pytest.mark.parametrize("pool", [max_pooling.forward, average_pooling.forward])
@pytest.mark.parametrize(
    ("x", "window", "line"),
    [
        (np.zeros((2, 3)), {"kernel_size": 2}, "x: must have 3 to 5 axes"),
        (np.zeros((1, 0, 4)), {"kernel_size": 2}, "x: must not be empty"),
        ([[[0.0, np.nan]]], {"kernel_size": 1}, r"x\[0, 0, 1\]: is nan"),
        (np.zeros((1, 1, 4)), {"kernel_size": 5}, "kernel_size: kernel_size=5 must not exceed the padded input"),
        (np.zeros((1, 1, 4)), {"kernel_size": (2, 2)}, "kernel_size: .* one for each of 1 axes"),
        (np.zeros((1, 1, 4)), {"kernel_size": 2, "stride": 0}, "stride: stride=0 must be at least 1"),
        (np.zeros((1, 1, 4)), {"kernel_size": 2, "dilation": 0}, "dilation: dilation=0 must be at least 1"),
        (np.zeros((1, 1, 4)), {"kernel_size": 2, "padding": -1}, "padding: -1 must not be negative"),
        (np.zeros((1, 1, 5)), {"kernel_size": 2, "rounding": "exact"}, "stride: .* does not fit"),
    ],
)
def test_wrong_input_is_one_line(pool: Callable[..., Array], x: Any, window: dict[str, Any], line: str) -> None:
    refused(lambda: pool(x, **window), line)


def test_windows_in_padding_only_and_messages_of_another_shape_are_refused() -> None:
    x = np.zeros((1, 1, 4, 4))
    line = r"padding: \(2, 2\), \(2, 2\) leaves a window that sees padding only, at place \[0, 0\]; use less"
    refused(lambda: max_pooling.forward(x, kernel_size=2, padding=2), line)
    refused(lambda: average_pooling.forward(x, kernel_size=2, padding=2, count_padding=False), line)
    np.testing.assert_array_equal(average_pooling.forward(x, kernel_size=2, padding=2)[0, 0, 0], 0)
    refused(lambda: max_pooling.backward(np.zeros((1, 1, 3, 3)), x, kernel_size=2), "message: must have the shape")
    refused(lambda: average_pooling.backward(np.zeros((1, 1, 3, 3)), size=4, kernel_size=2), "message: must have the")


def refused(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=f"^{line}") as caught:
        call()
    assert "\n" not in str(caught.value)


def close(actual: Array, expected: Any) -> None:
    np.testing.assert_allclose(actual, np.asarray(torch.as_tensor(expected).detach()), rtol=0, atol=1e-10)


def last(x: Any, layout: Layout) -> Array:
    array = np.asarray(torch.as_tensor(x).detach())
    return np.moveaxis(array, 1, -1).copy() if layout == "channels_last" else array
