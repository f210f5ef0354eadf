"""Local response normalisation against its definition, in every layout, precision and way of running."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.layers.normalisation import local_response_normalisation
from convworks.layers.normalisation.local_response_normalisation import LocalResponseNormalisation
from convworks.ops.normalisation import local_response_normalisation as definition

STRONG: dict[str, Any] = {"k": 1.3, "alpha": 0.7}
SHAPES = [(3, 11, 4, 5), (2, 7, 6), (2, 5, 3, 2, 4), (1, 1, 1, 1), (4, 6, 1, 1)]


def maps(shape: tuple[int, ...], order: str) -> Tensor:
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    if order == "last":
        x = x.movedim(1, -1).contiguous().movedim(-1, 1)
    elif order == "neither":
        x = x.transpose(1, -1).contiguous().transpose(1, -1)
    return x.requires_grad_()


def agrees(shape: tuple[int, ...], order: str, n: int, beta: float) -> None:
    x, message = maps(shape, order), torch.randn(shape, dtype=torch.float64)
    layer = LocalResponseNormalisation(n, beta=beta, **STRONG)
    z = layer(x)
    (delta,) = torch.autograd.grad(z, x, message)
    values = x.detach().numpy()
    assert np.abs(z.detach().numpy() - definition.forward(values, n=n, beta=beta, **STRONG)).max() <= 1e-12
    expected = definition.backward(message.numpy(), values, n=n, beta=beta, **STRONG)
    assert np.abs(delta.numpy() - expected).max() <= 1e-12
    if order != "neither":
        assert z.stride() == delta.stride() == x.stride()


@pytest.mark.parametrize("order", ["first", "last", "neither"])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_definition_forward_and_backward(shape: tuple[int, ...], order: str) -> None:
    agrees(shape, order, 5, 0.75)


@pytest.mark.parametrize("beta", [0.75, 0.5, 1.0, -0.3])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 7, 8, 16, 31])
def test_any_window_and_exponent(n: int, beta: float) -> None:
    for order in ("first", "last"):
        agrees((3, 11, 4, 5), order, n, beta)


@pytest.mark.parametrize("part", [1, 7, 100, 333])
def test_parts_of_any_size(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_response_normalisation, "BLOCK", part)
    for order in ("first", "last"):
        for n in (4, 5):
            agrees((3, 11, 4, 5), order, n, 0.75)


def test_the_constants_of_the_paper_by_hand() -> None:
    x = torch.zeros(1, 6, 1, 1)
    x[0, :, 0, 0] = torch.tensor([100.0, 0.0, 0.0, 200.0, 0.0, 100.0])
    z = LocalResponseNormalisation()(x)[0, :, 0, 0]
    # k = 2; alpha times squares: 1 for 100, 4 for 200. The first sees itself, the fourth itself and the last.
    assert torch.allclose(z[[0, 3, 5]], torch.tensor([100 / 3**0.75, 200 / 7**0.75, 100 / 7**0.75]))


@pytest.mark.parametrize("order", ["first", "last"])
def test_float32_is_what_pytorch_computes(order: str) -> None:
    theirs = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    x = (10 * maps((2, 96, 55, 55), order).detach()).float().requires_grad_()
    message = torch.randn(x.shape)
    output, expected = LocalResponseNormalisation()(x), theirs(x)
    assert (output - expected).abs().max() <= 2e-6 * expected.abs().max()
    (delta,), (wanted,) = torch.autograd.grad(output, x, message), torch.autograd.grad(expected, x, message)
    assert (delta - wanted).abs().max() <= 2e-6 * wanted.abs().max()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("order", ["first", "last"])
def test_half_precisions_are_normalised_in_float32_and_rounded_once(order: str, dtype: torch.dtype) -> None:
    layer, x = LocalResponseNormalisation(alpha=0.1), maps((2, 16, 5, 7), order).detach().to(dtype).requires_grad_()
    exact = x.detach().float().requires_grad_()
    for autocast in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            z, wide = layer(x), layer(exact)
        assert (z.dtype, wide.dtype) == (dtype, torch.float32)
        assert torch.equal(z, wide.to(dtype))
        message = torch.randn(x.shape).to(dtype)
        (delta,), (wanted,) = torch.autograd.grad(z, x, message), torch.autograd.grad(wide, exact, message.float())
        assert torch.equal(delta, wanted.to(dtype))


def test_second_derivatives() -> None:
    layer, x = LocalResponseNormalisation(3, **STRONG), maps((2, 4, 2, 1), "first")
    assert torch.autograd.gradcheck(layer, (x,))
    assert torch.autograd.gradgradcheck(layer, (x,))


def test_inputs_and_messages_are_left_alone() -> None:
    x, message = maps((2, 8, 5, 5), "first"), torch.randn(2, 8, 5, 5, dtype=torch.float64)
    kept = x.detach().clone(), message.clone()
    z = LocalResponseNormalisation()(x)
    torch.autograd.grad(z, x, message)
    assert torch.equal(x, kept[0])
    assert torch.equal(message, kept[1])


def test_export() -> None:
    layer, x = nn.Sequential(LocalResponseNormalisation()), torch.randn(2, 8, 5, 6)
    batch = torch.export.Dim("batch", min=1, max=8)
    exported = torch.export.export(layer, (x,), dynamic_shapes=({0: batch},)).module()
    larger = torch.randn(5, 8, 5, 6)
    torch.testing.assert_close(exported(larger), layer(larger))


def test_tracing_meta_and_nothing() -> None:
    layer, x = LocalResponseNormalisation(), torch.randn(2, 8, 5, 6)
    assert layer(x.to("meta")).shape == x.shape
    assert layer(x[:0]).shape == (0, 8, 5, 6)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), nn.LocalResponseNorm(5, alpha=5e-4, k=2.0)(x))
    assert repr(layer) == "LocalResponseNormalisation(n=5, k=2.0, alpha=0.0001, beta=0.75)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n: n=0 must be at least 1"),
        ({"k": 0.0}, "k: k=0.0 must be positive"),
        ({"alpha": -1.0}, "alpha: alpha=-1.0 must not be negative"),
        ({"beta": float("nan")}, "beta: beta=nan must be finite"),
    ],
)
def test_bad_input(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LocalResponseNormalisation(**options)  # type: ignore[arg-type]
