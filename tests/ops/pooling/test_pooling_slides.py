"""Max and average pooling against the loops of the slides, and the worked example of lecture 001."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.ops.arrays import Array
from convworks.ops.pooling import average_pooling, max_pooling

WORKED = [
    [2, 2, 0, 4, 3, 4],
    [0, 0, 5, 0, 4, 1],
    [4, 5, 2, 5, 1, 4],
    [5, 2, 1, 0, 2, 1],
    [2, 3, 3, 3, 5, 3],
    [0, 3, 0, 4, 0, 1],
]


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    """Draw images with many equal values and a window that fits, with any padding."""
    rank = draw(st.integers(1, 3))
    each = st.tuples(*[st.integers(1, 3)] * rank)
    kernel, dilation = draw(each), draw(each)
    padding = draw(st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * rank))
    least = [max(1, d * (k - 1) + 1 - sum(p)) for k, d, p in zip(kernel, dilation, padding, strict=True)]
    size = tuple(draw(st.integers(n, n + 3)) for n in least)
    rounding = draw(st.sampled_from(["floor", "ceil"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return {
        "x": rng.integers(-2, 3, (2, 2, *size)).astype(float),
        "sliding": {
            "kernel_size": kernel,
            "stride": draw(each),
            "padding": padding,
            "dilation": dilation,
            "rounding": rounding,
        },
        "count_padding": draw(st.booleans()),
        "rng": rng,
    }


def test_the_worked_example_of_lecture_001() -> None:
    x = np.array([[WORKED]], dtype=float)
    np.testing.assert_array_equal(max_pooling.forward(x, kernel_size=2)[0, 0], [[2, 5, 4], [5, 5, 4], [3, 4, 5]])
    back = max_pooling.backward(np.ones((1, 1, 3, 3)), x, kernel_size=2, stride=2)[0, 0]
    chosen = [[0, 0], [0, 5], [1, 2], [2, 1], [2, 3], [2, 5], [4, 1], [4, 4], [5, 3]]  # the first of equal values
    np.testing.assert_array_equal(np.argwhere(back), chosen)
    np.testing.assert_array_equal(average_pooling.forward(x, kernel_size=2)[0, 0, 0], [1.0, 2.25, 3.0])


@settings(max_examples=repeats(37, 150), derandomize=True)
@given(cases())
def test_pooling_equals_the_loops_of_the_slides(case: dict[str, Any]) -> None:
    x, sliding, counted = case["x"], case["sliding"], case["count_padding"]
    message, largest, largest_back, mean, mean_back = slides(x, sliding, counted, case["rng"])
    if largest is not None:
        np.testing.assert_array_equal(max_pooling.forward(x, **sliding), largest)
        close(max_pooling.backward(message, x, **sliding), largest_back)
    if mean is not None:
        close(average_pooling.forward(x, **sliding, count_padding=counted), mean)
        close(average_pooling.backward(message, size=x.shape[2:], **sliding, count_padding=counted), mean_back)


def slides(x: Array, sliding: dict[str, Any], counted: bool, rng: np.random.Generator) -> tuple[Any, ...]:
    """Pool with one loop over places and one over taps; None where a window has nothing to take or count."""
    size, kernel, dilation = x.shape[2:], sliding["kernel_size"], sliding["dilation"]
    rank, stride = len(size), sliding["stride"]
    outputs = []
    for n, k, s, d, (before, after) in zip(size, kernel, stride, dilation, sliding["padding"], strict=True):
        begins = range(-before, n + after, s)
        fits = [b + d * (k - 1) < n + after for b in begins]
        reaches = [b < n and b - s + d * (k - 1) < n + after - 1 for b in begins]  # the one before left a rest
        outputs.append(sum(fits) if sliding["rounding"] == "floor" else sum(map(any, zip(fits, reaches, strict=True))))
    message = rng.normal(size=(*x.shape[:2], *outputs))
    largest, mean = np.full(message.shape, -np.inf), np.zeros(message.shape)
    largest_back, mean_back = np.zeros(x.shape), np.zeros(x.shape)
    empty = uncounted = False
    for place in itertools.product(*map(range, outputs)):
        members, n_counted = [], 0
        for tap in itertools.product(*map(range, kernel)):
            at = tuple(place[a] * stride[a] + tap[a] * dilation[a] - sliding["padding"][a][0] for a in range(rank))
            within = all(0 <= at[a] < size[a] for a in range(rank))
            n_counted += within or (
                counted
                and all(-sliding["padding"][a][0] <= at[a] < size[a] + sliding["padding"][a][1] for a in range(rank))
            )
            members += [at] if within else []
        empty, uncounted = empty or not members, uncounted or not n_counted
        for image in itertools.product(*map(range, x.shape[:2])):
            best = None
            for at in members:
                mean[image + place] += x[image + at] / n_counted
                mean_back[image + at] += message[image + place] / n_counted
                if best is None or x[image + at] > x[image + best]:
                    best = at
            if best is not None:
                largest[image + place] = x[image + best]
                largest_back[image + best] += message[image + place]
    return message, None if empty else largest, largest_back, None if uncounted else mean, mean_back


def close(actual: Array, expected: Array) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10)
