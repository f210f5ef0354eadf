from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from thorough import repeats

from convworks.errors import InputError
from convworks.ops import clipping

SHAPES = ((4, 3, 2, 2), (4,), (10, 16), (), (0, 3))
CLIPPERS = (clipping.by_value, clipping.by_variable_norm, clipping.by_global_norm)
BATCHES = st.lists(
    arrays.arrays(np.float64, arrays.array_shapes(max_dims=3, max_side=4), elements=st.floats(-1e3, 1e3)),
    min_size=1,
    max_size=4,
)


def gradients(seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [np.asarray(generator.standard_normal(shape)) for shape in SHAPES]


def tensors(values: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.from_numpy(g.copy()) for g in values]


def formula(g: np.ndarray, c: float) -> np.ndarray:
    norm = np.sqrt((g**2).sum())
    return g if norm <= c else c * g / norm


@pytest.mark.parametrize("limit", [0.01, 0.5, 3.0, 100.0])
def test_the_formula_of_the_lectures(limit: float) -> None:
    values = gradients()
    flat = np.concatenate([g.ravel() for g in values])
    assert clipping.global_norm(values) == pytest.approx(float(np.linalg.norm(flat)), rel=1e-14)
    whole = np.concatenate([g.ravel() for g in clipping.by_global_norm(values, limit)])
    np.testing.assert_allclose(whole, formula(flat, limit), rtol=1e-12, atol=1e-12)
    for g, clipped in zip(values, clipping.by_variable_norm(values, limit), strict=True):
        np.testing.assert_allclose(clipped, formula(g, limit), rtol=1e-12, atol=1e-12)
    for g, clipped in zip(values, clipping.by_value(values, limit), strict=True):
        np.testing.assert_array_equal(clipped, np.minimum(np.maximum(g, -limit), limit))


@pytest.mark.parametrize("limit", [0.01, 0.5, 3.0, 100.0])
def test_pytorch_clips_alike(limit: float) -> None:
    values = gradients(1)
    for ours, theirs in (
        (clipping.by_global_norm, torch.nn.utils.clip_grad_norm_),
        (clipping.by_value, torch.nn.utils.clip_grad_value_),
    ):
        parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in tensors(values)]
        for parameter, g in zip(parameters, tensors(values), strict=True):
            parameter.grad = g
        theirs(parameters, limit)
        for parameter, clipped in zip(parameters, ours(values, limit), strict=True):
            assert parameter.grad is not None
            np.testing.assert_allclose(clipped, parameter.grad.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("clip", CLIPPERS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_tensors_keep_their_kind_and_agree_with_arrays(clip: Callable[..., Any], dtype: torch.dtype) -> None:
    given_tensors = [g.to(dtype) for g in tensors(gradients(2))]
    before = [g.clone() for g in given_tensors]
    clipped = clip(given_tensors, 0.3)
    expected = clip([g.double().numpy() for g in given_tensors], 0.3)
    accuracy = 8 * torch.finfo(dtype).eps
    for g, kept, ours, wanted in zip(given_tensors, before, clipped, expected, strict=True):
        assert ours.dtype == dtype
        assert torch.equal(g, kept)
        np.testing.assert_allclose(ours.double().numpy(), wanted, rtol=accuracy, atol=accuracy)


@pytest.mark.parametrize("clip", CLIPPERS)
@pytest.mark.parametrize("limit", [0.1, 1e300])
def test_the_result_is_new_and_the_given_arrays_stay(clip: Callable[..., Any], limit: float) -> None:
    values = [g.astype(np.float32) for g in gradients(3) if g.ndim]
    before = [g.copy() for g in values]
    for g, kept, clipped in zip(values, before, clip(values, limit), strict=True):
        assert clipped.dtype == np.float32
        assert not np.shares_memory(g, clipped)
        np.testing.assert_array_equal(g, kept)


@pytest.mark.parametrize("size", [1e-200, 1e-310, 1e200, 1.5e308])
def test_squares_neither_overflow_nor_vanish(size: float) -> None:
    values = [np.array([size * 0.6]), np.array([[size * 0.8]])]
    assert clipping.global_norm(values) == pytest.approx(size, rel=1e-13)
    clipped = clipping.by_global_norm(values, size / 4)
    np.testing.assert_allclose(clipped[1], size / 4 * 0.8, rtol=1e-13)


def test_even_a_norm_beyond_the_range_is_clipped() -> None:
    values = [np.full(100, 1.7e308), np.full(7, 1e-3, np.float32)]
    clipped = clipping.by_global_norm(values, 1.0)
    np.testing.assert_allclose(clipped[0], 0.1, rtol=1e-13)
    assert clipped[1].dtype == np.float32
    np.testing.assert_array_equal(clipped[1], 0)


def test_many_half_precision_values() -> None:
    values = [torch.full((1_000_000,), 3.0, dtype=torch.float16)]
    assert clipping.global_norm(values) == pytest.approx(3000, rel=1e-3)
    assert clipping.global_norm([values[0].numpy()]) == pytest.approx(3000, rel=1e-3)


@settings(max_examples=repeats(20, 60), derandomize=True)
@given(BATCHES, st.floats(1e-3, 1e4))
def test_the_limit_holds_the_direction_stays_and_twice_is_once(values: list[np.ndarray], limit: float) -> None:
    clipped = clipping.by_global_norm(values, limit)
    norm, after = clipping.global_norm(values), clipping.global_norm(clipped)
    assert after == pytest.approx(min(norm, limit), rel=1e-12)
    for g, ours in zip(values, clipped, strict=True):
        np.testing.assert_allclose(ours * norm, g * after, rtol=1e-9, atol=1e-12 * max(1.0, norm * after))
    again = clipping.by_global_norm(clipped, limit)
    np.testing.assert_allclose(np.hstack([g.ravel() for g in again]), np.hstack([g.ravel() for g in clipped]), 1e-12)
    assert max(float(abs(g).max()) for g in clipping.by_value(values, limit)) <= limit
    assert all(clipping.global_norm([g]) <= limit * (1 + 1e-12) for g in clipping.by_variable_norm(values, limit))


@pytest.mark.parametrize("clip", CLIPPERS)
def test_nothing_to_clip(clip: Callable[..., Any]) -> None:
    assert clip([], 1.0) == ()
    assert clipping.global_norm([]) == 0
    np.testing.assert_array_equal(clip([np.zeros(3)], 1.0)[0], np.zeros(3))


@pytest.mark.parametrize("clip", CLIPPERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_gradients_that_are_not_finite(clip: Callable[..., Any], bad: float) -> None:
    values = [np.ones(2), np.array([1.0, bad])]
    for given_values in (values, tensors(values)):
        with pytest.raises(InputError, match=r"gradients\[1\]: a gradient is not finite"):
            clip(given_values, 1.0)


@pytest.mark.parametrize("clip", CLIPPERS)
@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_limits_that_are_not_positive(clip: Callable[..., Any], limit: float) -> None:
    with pytest.raises(InputError, match=f"limit: limit={limit} must be greater than 0"):
        clip([np.ones(2)], limit)


@pytest.mark.parametrize("clip", CLIPPERS)
@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (np.ones((2, 2)), "gradients: is one array and must be a sequence"),
        (torch.ones(2, 2), "gradients: is one array and must be a sequence"),
        (3.0, r"gradients: is 3.0 and must be a sequence of arrays"),
        ([np.ones(2), None], r"gradients\[1\]: is NoneType and must be an array or a tensor; leave out variables"),
        ([[1.0, 2.0]], r"gradients\[0\]: is list and must be an array or a tensor; make it one"),
    ],
)
def test_what_is_no_sequence_of_arrays(
    clip: Callable[..., Any], bad: Any, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the annotation refuses some of it by itself
    for function in (lambda: clip(bad, 1.0), lambda: clipping.global_norm(bad)):
        with pytest.raises(InputError, match=f"^{line}"):
            function()
