"""Gradient clipping, averaged weights, and a diagnosis of diverging gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from convworks.training.config import Clip


@torch.no_grad()
def clip(config: Clip, parameters: Mapping[str, Tensor]) -> None:
    """Clip the gradients of the parameters in place (lectures 000 and 003, Gradient Clipping).

    Nothing is copied to the CPU, which would synchronise with the GPU. Non-finite gradients stay non-finite, so that
    the loss shows them. The definition in NumPy is ops/clipping.py.
    """
    gradients = [parameter.grad for parameter in parameters.values() if parameter.grad is not None]
    match config.kind:
        case "value":
            torch._foreach_clamp_max_(gradients, config.limit)
            torch._foreach_clamp_min_(gradients, -config.limit)
        case "variable_norm":
            norms = torch._foreach_norm(gradients)
            torch._foreach_mul_(gradients, [(config.limit / norm).clamp(max=1.0) for norm in norms])
        case "global_norm":
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
            torch._foreach_mul_(gradients, (config.limit / norm).clamp(max=1.0))


def average_decay(decay: float, step: int) -> float:
    """Return the decay at a step: smaller at first, so that the first weights fade quickly (as in TensorFlow)."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Update the averaged weights in place: a <- decay a + (1 - decay) w.

    Running statistics of normalisation are averaged too; integer buffers are copied.
    """
    pairs = list(zip(average.state_dict().values(), network.state_dict().values(), strict=True))
    floating = [pair for pair in pairs if pair[0].is_floating_point()]
    torch._foreach_lerp_([a for a, _ in floating], [w for _, w in floating], 1 - decay)
    for a, w in pairs:
        if not a.is_floating_point():
            a.copy_(w)


def largest_gradients(parameters: Mapping[str, Tensor], count: int = 3) -> str:
    """Name the parameters with the largest gradients, non-finite ones first."""
    entries = []
    for name, parameter in parameters.items():
        if parameter.grad is not None and parameter.grad.numel():
            largest = float(parameter.grad.abs().max())
            entries.append((largest if math.isfinite(largest) else math.inf, name, largest))
    entries.sort(key=lambda entry: -entry[0])  # stable: of equals, the first in the network
    return ", ".join(f"{name} {largest:.3g}" for _, name, largest in entries[:count]) or "none"
