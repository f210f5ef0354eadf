"""Local response normalisation against float64 autograd, the paper's formula, and with wrong input."""

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
from convworks.ops.normalisation import local_response_normalisation as lrn

PAPER = {"k": 2.0, "n": 5, "alpha": 1e-4, "beta": 0.75}


@settings(max_examples=repeats(37, 150), derandomize=True)
@given(
    st.integers(1, 3),
    st.integers(1, 12),
    st.just(PAPER)
    | st.fixed_dictionaries(
        {"k": st.floats(0.5, 3.0), "n": st.integers(1, 9), "alpha": st.floats(0.0, 2.0), "beta": st.floats(-1.0, 2.0)}
    ),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_equals_autograd_in_float64_with_alpha_times_n(
    rank: int, channels: int, constants: dict[str, Any], channels_last: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, channels, *rng.integers(1, 4, rank))) * 3
    leaf = torch.tensor(x, requires_grad=True)
    n = constants["n"]
    expected = F.local_response_norm(leaf, n, constants["alpha"] * n, constants["beta"], constants["k"])
    message = rng.normal(size=x.shape)
    (dx,) = torch.autograd.grad(expected, leaf, torch.tensor(message))
    layout: Any = "channels_last" if channels_last else "channels_first"
    images = [
        np.moveaxis(a, 1, -1) if channels_last else a for a in (x, message, expected.detach().numpy(), dx.numpy())
    ]
    output = lrn.forward(images[0], **constants, layout=layout)
    back = lrn.backward(images[1], images[0], **constants, layout=layout)
    np.testing.assert_allclose(output, images[2], rtol=0, atol=1e-10)
    np.testing.assert_allclose(back, images[3], rtol=0, atol=1e-10)


def test_equals_the_formula_of_the_paper() -> None:
    a = np.random.default_rng(0).normal(size=(1, 8, 2, 2)) * 50
    b = lrn.forward(a)  # k=2, n=5, alpha=1e-4, beta=0.75
    for i in range(8):
        near = sum(a[0, j] ** 2 for j in range(max(0, i - 5 // 2), min(8 - 1, i + 5 // 2) + 1))
        np.testing.assert_allclose(b[0, i], a[0, i] / (2 + 1e-4 * near) ** 0.75, rtol=1e-14)


X = np.ones((1, 3, 2))


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: lrn.forward(np.ones((3, 3))), "x: must have 3 to 5 axes"),
        (lambda: lrn.forward(X * np.inf), r"x\[0, 0, 0\]: is inf"),
        (lambda: lrn.forward(X, n=0), "n: n=0 must be at least 1"),
        (lambda: lrn.forward(X, k=0.0), "k: k=0.0 must be positive"),
        (lambda: lrn.forward(X, alpha=-1.0), "alpha: alpha=-1.0 must not be negative"),
        (lambda: lrn.forward(X, beta=float("nan")), "beta: beta=nan must be finite"),
        (lambda: lrn.backward(X[:, :2], X), "message: must have the shape"),
    ],
)
def test_wrong_input_is_one_line(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=f"^{line}") as caught:
        call()
    assert "\n" not in str(caught.value)
