"""Clipping against PyTorch's, averaged weights against their formula."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from convworks.ops import clipping
from convworks.training.clipping import average_decay, clip, largest_gradients, move_average
from convworks.training.config import Clip


def gradients(scale: float) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    parameters: dict[str, Tensor] = {}
    for name, shape in (("a", (3, 4)), ("b", (5,)), ("c", (2, 3, 3, 3))):
        parameters[name] = nn.Parameter(torch.zeros(shape))
        parameters[name].grad = torch.randn(shape, generator=generator) * scale
    parameters["none"] = nn.Parameter(torch.zeros(2))
    return parameters


@pytest.mark.parametrize("scale", [0.01, 1.0, 1000.0])
def test_clipping_equals_pytorchs_and_the_definition(scale: float) -> None:
    for kind, definition in (
        ("value", clipping.by_value),
        ("variable_norm", clipping.by_variable_norm),
        ("global_norm", clipping.by_global_norm),
    ):
        parameters, reference = gradients(scale), gradients(scale)
        clip(Clip(kind=kind, limit=0.5), parameters)
        if kind == "value":
            torch.nn.utils.clip_grad_value_(reference.values(), 0.5)
        elif kind == "global_norm":
            torch.nn.utils.clip_grad_norm_(reference.values(), 0.5)
        else:
            for parameter in reference.values():
                torch.nn.utils.clip_grad_norm_([parameter], 0.5)
        original = [p.grad for p in gradients(scale).values() if p.grad is not None]
        defined = definition(original, 0.5)
        for name, expected in zip(("a", "b", "c"), defined, strict=True):
            # PyTorch adds 1e-6 to the norm.
            torch.testing.assert_close(parameters[name].grad, reference[name].grad, rtol=3e-6, atol=1e-7)
            torch.testing.assert_close(parameters[name].grad, expected, rtol=1e-6, atol=1e-7)


def test_zero_gradients_stay_zero() -> None:
    parameters = gradients(0.0)
    for kind in ("variable_norm", "global_norm"):
        clip(Clip(kind=kind, limit=1.0), parameters)
        assert not any(p.grad.any() for p in parameters.values() if p.grad is not None)


def test_averaged_weights_are_their_formula() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).double()
    average = copy.deepcopy(network)
    expected = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for _ in range(5):
        network(torch.randn(2, 1, 5, 5, dtype=torch.float64))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        move_average(average, network, 0.9)
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                expected[name] = 0.9 * expected[name] + (1 - 0.9) * tensor
            else:
                expected[name] = tensor.clone()
    for name, tensor in average.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-12, atol=1e-12)
    assert int(average[1].num_batches_tracked) == 5  # type: ignore[arg-type]


def test_the_decay_is_short_at_first() -> None:
    assert [average_decay(0.99, step) for step in (0, 8, 890, 10_000)] == [0.1, 0.5, 0.99, 0.99]


def test_the_largest_gradients_are_named_those_without_value_first() -> None:
    parameters = gradients(1.0)
    assert parameters["b"].grad is not None
    parameters["b"].grad[1] = torch.nan
    assert parameters["c"].grad is not None
    parameters["c"].grad[0, 0, 0, 0] = 7.0
    assert largest_gradients(parameters, 2) == "b nan, c 7"
    assert largest_gradients({}) == "none"
