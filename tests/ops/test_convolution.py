"""Convolution, cross-correlation and up-convolution against autograd, SciPy and the loops of the slides."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.errors import InputError
from convworks.ops import convolution, cross_correlation, up_convolution
from convworks.ops.arrays import Array, Layout

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
UP = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
SIDES = {1: 12, 2: 8, 3: 6}


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    """Draw a convolution that fits: one to three axes, every kind of padding, stride, dilation, groups, layout."""
    rank = draw(st.integers(1, 3))
    each = st.tuples(*[st.integers(1, 3)] * rank)
    kernel, stride, dilation = draw(st.tuples(*[st.integers(1, 4)] * rank)), draw(each), draw(each)
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    kinds = ["valid", "full", "number", "explicit", "asymmetric"]
    kinds += ["same"] if all(e % 2 for e in extent) else []
    kind = draw(st.sampled_from(kinds))
    border = st.integers(0, 3)
    match kind:
        case "number":
            padding: Any = draw(border)
            pads = [(padding, padding)] * rank
        case "explicit":
            padding = draw(st.tuples(*[border] * rank))
            pads = [(p, p) for p in padding]
        case "asymmetric":
            padding = draw(st.tuples(*[st.tuples(border, border)] * rank))
            pads = list(padding)
        case _:
            padding = kind
            zeros = {"valid": [0] * rank, "full": [e - 1 for e in extent], "same": [(e - 1) // 2 for e in extent]}
            pads = [(n, n) for n in zeros[kind]]
    smallest = [max(1, e - sum(p)) for e, p in zip(extent, pads, strict=True)]
    size = tuple(draw(st.integers(n, max(n, SIDES[rank]))) for n in smallest)
    groups, batch = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    c, d = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return {
        "x": rng.normal(size=(batch, c * groups, *size)),
        "weight": rng.normal(size=(d * groups, c, *kernel)),
        "bias": rng.normal(size=d * groups),
        "pads": pads,
        "layout": draw(st.sampled_from(["channels_first", "channels_last"])),
        "sliding": {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups},
        "rng": rng,
    }


@settings(max_examples=repeats(200, 2000), derandomize=True)
@given(cases())
def test_cross_correlation_equals_autograd_in_float64(case: dict[str, Any]) -> None:
    x, weight, bias, sliding, layout = case["x"], case["weight"], case["bias"], case["sliding"], case["layout"]
    leaves = [torch.tensor(values, requires_grad=True) for values in (x, weight, bias)]
    flat = [zeros for pair in reversed(case["pads"]) for zeros in pair]
    options = {name: value for name, value in sliding.items() if name != "padding"}
    expected = CONV[x.ndim - 2](F.pad(leaves[0], flat), leaves[1], leaves[2], **options)
    message = case["rng"].normal(size=tuple(expected.shape))
    dx, dw, db = torch.autograd.grad(expected, leaves, torch.tensor(message))

    output = cross_correlation.forward(last(x, layout), weight, bias, **sliding, layout=layout)
    back = cross_correlation.backward(last(message, layout), weight, size=x.shape[2:], **sliding, layout=layout)
    gradient = cross_correlation.gradient(
        last(message, layout), last(x, layout), kernel_size=weight.shape[2:], **sliding, layout=layout
    )
    np.testing.assert_allclose(output, last(expected.detach().numpy(), layout), rtol=0, atol=1e-10)
    np.testing.assert_allclose(back, last(dx.numpy(), layout), rtol=0, atol=1e-10)
    np.testing.assert_allclose(gradient.weight, dw.numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(gradient.bias, db.numpy(), rtol=0, atol=1e-10)
    # A and A' of the same layer, and W -> z with its own adjoint: <Ax, y> = <x, A'y>
    linear = cross_correlation.forward(x, weight, **sliding)
    plain = cross_correlation.backward(message, weight, size=x.shape[2:], **sliding)
    adjoint(linear, message, x, plain)
    adjoint(linear, message, weight, gradient.weight)


@settings(max_examples=repeats(80, 400), derandomize=True)
@given(cases(), st.data())
def test_up_convolution_equals_autograd_in_float64(case: dict[str, Any], data: Any) -> None:
    sliding, layout = dict(case["sliding"]), case["layout"]
    rank = case["x"].ndim - 2
    weight, groups = case["weight"], sliding["groups"]
    padding = data.draw(st.integers(0, 2))
    more = tuple(data.draw(st.integers(0, s - 1)) for s in sliding["stride"])
    options = sliding | {"padding": padding, "output_padding": more}
    rng = case["rng"]
    x = rng.normal(size=(len(case["x"]), weight.shape[0], *case["x"].shape[2:]))
    bias = rng.normal(size=weight.shape[1] * groups)
    leaves = [torch.tensor(values, requires_grad=True) for values in (x, weight, bias)]
    extent = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], sliding["dilation"], strict=True)]
    sizes = [(n - 1) * s - 2 * padding + e for n, s, e in zip(x.shape[2:], sliding["stride"], extent, strict=True)]
    if min(n + m for n, m in zip(sizes, more, strict=True)) < 1:
        with pytest.raises(InputError, match="cuts everything off"):
            up_convolution.forward(x, weight, bias, **options)
        return
    output = up_convolution.forward(last(x, layout), weight, bias, **options, layout=layout)
    expected = UP[rank](leaves[0], leaves[1], leaves[2], **options)
    message = rng.normal(size=tuple(expected.shape))
    dx, dw, db = torch.autograd.grad(expected, leaves, torch.tensor(message))
    del options["output_padding"]
    back = up_convolution.backward(last(message, layout), weight, **options, layout=layout)
    gradient = up_convolution.gradient(
        last(message, layout), last(x, layout), kernel_size=weight.shape[2:], **options, layout=layout
    )
    np.testing.assert_allclose(output, last(expected.detach().numpy(), layout), rtol=0, atol=1e-10)
    np.testing.assert_allclose(back, last(dx.numpy(), layout), rtol=0, atol=1e-10)
    np.testing.assert_allclose(gradient.weight, dw.numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(gradient.bias, db.numpy(), rtol=0, atol=1e-10)
    adjoint(in_first(output, layout) - bias.reshape(-1, *[1] * rank), message, x, in_first(back, layout))


@settings(max_examples=repeats(25, 100), derandomize=True)
@given(st.integers(1, 3), st.sampled_from(["valid", "same", "full"]), st.integers(0, 2**32))
def test_one_channel_equals_scipy(rank: int, padding: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, weight = rng.normal(size=rng.integers(5, 9, rank)), rng.normal(size=rng.choice([1, 3, 5], rank))
    for ours, theirs in (
        (cross_correlation.forward, scipy.signal.correlate),
        (convolution.forward, scipy.signal.convolve),
    ):
        actual = ours(x[None, None], weight[None, None], padding=padding)[0, 0]
        np.testing.assert_allclose(actual, theirs(x, weight, mode=padding, method="direct"), rtol=0, atol=1e-10)


@settings(max_examples=repeats(20, 50), derandomize=True)
@given(cases())
def test_convolution_is_cross_correlation_with_the_kernel_flipped(case: dict[str, Any]) -> None:
    x, weight, sliding = case["x"], case["weight"], case["sliding"]
    kernel = tuple(range(2, weight.ndim))
    flipped = np.flip(weight, kernel).copy()
    z = convolution.forward(x, weight, case["bias"], **sliding)
    np.testing.assert_array_equal(z, cross_correlation.forward(x, flipped, case["bias"], **sliding))
    message = case["rng"].normal(size=z.shape)
    adjoint(z - case["bias"].reshape(-1, *[1] * len(kernel)), message, x, back := convolution.backward(
        message, weight, size=x.shape[2:], **sliding
    ))  # fmt: skip
    assert back.shape == x.shape
    gradient = convolution.gradient(message, x, kernel_size=weight.shape[2:], **sliding)
    adjoint(z - case["bias"].reshape(-1, *[1] * len(kernel)), message, weight, gradient.weight)


def test_the_loops_of_the_slides_give_the_same() -> None:
    """Lecture 001, Convolution in 2D: forward message, parameter gradient, backward message; stride of lecture 000."""
    rng = np.random.default_rng(1)
    x, weight, bias = rng.normal(size=(5, 6, 3)), rng.normal(size=(3, 3, 3, 2)), rng.normal(size=2)
    for stride in (1, 2):
        places = [range((n - 3) // stride + 1) for n in x.shape[:2]]
        z = np.zeros((len(places[0]), len(places[1]), 2))
        for k, m, d in itertools.product(*places, range(2)):
            z[k, m, d] = bias[d]
            for i, j, c in itertools.product(range(3), range(3), range(3)):
                z[k, m, d] += x[k * stride + i, m * stride + j, c] * weight[i, j, c, d]
        message = rng.normal(size=z.shape)
        dw, dx = np.zeros_like(weight), np.zeros_like(x)
        for k, m, d in itertools.product(*places, range(2)):
            for i, j, c in itertools.product(range(3), range(3), range(3)):
                dw[i, j, c, d] += message[k, m, d] * x[k * stride + i, m * stride + j, c]
                dx[k * stride + i, m * stride + j, c] += message[k, m, d] * weight[i, j, c, d]
        ours = weight.transpose(3, 2, 0, 1)
        options: dict[str, Any] = {"stride": stride, "layout": "channels_last"}
        np.testing.assert_allclose(cross_correlation.forward(x[None], ours, bias, **options)[0], z, atol=1e-12)
        back = cross_correlation.backward(message[None], ours, size=(5, 6), **options)
        np.testing.assert_allclose(back[0], dx, atol=1e-12)
        gradient = cross_correlation.gradient(message[None], x[None], kernel_size=3, **options)
        np.testing.assert_allclose(gradient.weight, dw.transpose(3, 2, 0, 1), atol=1e-12)
        np.testing.assert_allclose(gradient.bias, message.sum((0, 1)), atol=1e-12)


def test_inputs_are_left_as_they_were() -> None:
    x, weight = np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3))
    z = cross_correlation.forward(x, weight, [1.0], padding="same")
    cross_correlation.backward(z, weight, size=4, padding="same")
    assert x.sum() == 16
    assert weight.sum() == 9


def adjoint(forward: Array, message: Array, x: Array, backward: Array) -> None:
    """Check <Ax, y> = <x, A'y> to 1e-12 of the lengths."""
    scale = max(1.0, float(np.linalg.norm(forward) * np.linalg.norm(message)))
    assert abs(np.vdot(forward, message) - np.vdot(x, backward)) <= 1e-12 * scale


def last(x: Any, layout: Layout) -> Any:
    return np.moveaxis(x, 1, -1) if layout == "channels_last" else x


def in_first(x: Any, layout: Layout) -> Any:
    return np.moveaxis(x, -1, 1) if layout == "channels_last" else x


IMAGE, KERNEL = np.ones((1, 4, 5, 5)), np.ones((6, 4, 3, 3))
BAD: list[tuple[str, Any, Any, dict[str, Any], str]] = [
    ("groups", IMAGE, np.ones((6, 1, 3, 3)), {"groups": 4}, "groups: groups=4 must divide out_channels=6; both are"),
    ("no groups", IMAGE, KERNEL, {"groups": 0}, "groups: groups=0 must be at least 1; give a positive"),
    ("channels", IMAGE, np.ones((6, 3, 3, 3)), {}, "x: has 4 channels, and weight of shape (6, 3, 3, 3)"),
    ("kernel too large", IMAGE, np.ones((1, 4, 7, 7)), {}, "kernel_size: kernel_size=7 must not exceed the padded"),
    ("dilated", IMAGE, KERNEL, {"dilation": 3}, "kernel_size: kernel_size=3, dilation=3: 7 positions must not exceed"),
    ("rank of x", IMAGE[0], KERNEL, {}, "x: must have 4 axes (batch, channel, height, width), got shape (4, 5, 5)"),
    ("rank of weight", IMAGE, KERNEL[0, 0], {}, "weight: must be [out, in / groups, *kernel]"),
    (
        "even same",
        IMAGE,
        np.ones((6, 4, 4, 4)),
        {"padding": "same"},
        "padding: 'same' needs 3 zeros with kernel_size=4",
    ),
    (
        "no such padding",
        IMAGE,
        KERNEL,
        {"padding": "reflect"},
        "padding: 'reflect' is not known; give valid, same, full",
    ),
    ("negative padding", IMAGE, KERNEL, {"padding": -1}, "padding: -1 must not be negative"),
    ("too many paddings", IMAGE, KERNEL, {"padding": (1, 1, 1)}, "padding: (1, 1, 1) must be one number, or"),
    ("stride", IMAGE, KERNEL, {"stride": 0}, "stride: stride=0 must be at least 1"),
    (
        "strides",
        IMAGE,
        KERNEL,
        {"stride": (1, 2, 3)},
        "stride: (1, 2, 3) must be one number, or one for each of 2 axes",
    ),
    ("layout", IMAGE, KERNEL, {"layout": "NCHW"}, "layout: 'NCHW' is not known; give one of channels_first"),
    ("bias", IMAGE, KERNEL, {"bias": [1.0]}, "bias: has 1 values for 6 output channels"),
    ("not finite", np.full((1, 4, 5, 5), np.nan), KERNEL, {}, "x[0, 0, 0, 0]: is nan and all values must be finite"),
    ("infinite weight", IMAGE, np.full((6, 4, 3, 3), np.inf), {}, "weight[0, 0, 0, 0]: is inf and all values must"),
    ("ragged", [[[[1.0, 2.0], [3.0]]]], KERNEL, {}, "x: is not an array of numbers"),
    ("empty", np.ones((0, 4, 5, 5)), KERNEL, {}, "x: must not be empty"),
]


@pytest.mark.parametrize(("x", "weight", "options", "line"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_told_in_one_line(x: Any, weight: Any, options: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as caught:
        cross_correlation.forward(x, weight, **options)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_a_message_must_have_the_shape_of_the_output() -> None:
    with pytest.raises(InputError, match=r"message: must have the shape \(1, 6, 3, 3\)"):
        cross_correlation.backward(np.ones((1, 6, 4, 4)), KERNEL, size=5)
    with pytest.raises(InputError, match=r"message: must have the shape \(1, 6, 3, 3\)"):
        cross_correlation.gradient(np.ones((1, 6, 4, 4)), IMAGE, kernel_size=3)
    with pytest.raises(InputError, match="output_padding: output_padding=2 must be at least 0 and below stride=2"):
        up_convolution.forward(np.ones((1, 6, 4, 4)), KERNEL, stride=2, output_padding=2)


GROUPS = "groups: groups=3 must divide in_channels=4; both are divided by 1, 2, 4"


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: cross_correlation.forward(IMAGE, np.ones((4, 1, 2, 2)), groups=3), GROUPS),
        (
            lambda: cross_correlation.backward(IMAGE, np.ones((4, 1, 2, 2)), size=6, groups=3),
            "groups: groups=3 must divide out_channels=4; it is divided by 1, 2, 4",
        ),
        (
            lambda: up_convolution.forward(IMAGE, np.ones((4, 1, 2, 2)), groups=3),
            "groups: groups=3 must divide in_channels=4; it is divided by 1, 2, 4",
        ),
        (
            lambda: up_convolution.forward(IMAGE, np.ones((6, 1, 2, 2)), groups=2),
            "x: has 4 channels, and weight of shape (6, 1, 2, 2) needs 6; the weight of an up-convolution is [in, out",
        ),
        (lambda: up_convolution.forward(IMAGE, np.ones((4, 1))), "weight: must be [in, out / groups, *kernel]"),
        (
            lambda: up_convolution.backward(IMAGE, np.ones((6, 3, 2, 2)), groups=2),
            "message: has 4 channels, and the output of a weight of shape (6, 3, 2, 2) with groups=2 has 6",
        ),
        (
            lambda: up_convolution.gradient(np.ones((1, 2, 9, 9)), IMAGE, kernel_size=2),
            "message: of batch 1 and size (9, 9) belongs to x of batch 1 and size (8, 8), got x of batch 1 and size",
        ),
        (lambda: up_convolution.gradient(np.ones((1, 2, 6)), IMAGE, kernel_size=2), "message: must have 4 axes"),
    ],
)
def test_what_an_error_says_is_true(call: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value).startswith(line)
