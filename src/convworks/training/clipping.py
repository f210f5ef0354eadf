"""What keeps training stable: clipping, averaged weights, and an account of what went wrong where it is not."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from convworks.training.config import Clip


@torch.no_grad()
def clip(config: Clip, parameters: Mapping[str, Tensor]) -> None:
    """Clip the gradients that the parameters hold, in place (lectures 000 and 003, Gradient Clipping).

    They are not read back to the processor: on a GPU that would wait for all that is under way. What is not finite
    stays so, for the loss to show. The definition, on any arrays, is ops/clipping.py.
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
    """Return the decay at a step: short at first, so that the first weights are soon forgotten (as TensorFlow does)."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move averaged weights towards those of the network, in place: a <- decay a + (1 - decay) w.

    The running statistics of normalisation are averaged likewise; whole numbers are copied.
    """
    pairs = list(zip(average.state_dict().values(), network.state_dict().values(), strict=True))
    floating = [pair for pair in pairs if pair[0].is_floating_point()]
    torch._foreach_lerp_([a for a, _ in floating], [w for _, w in floating], 1 - decay)
    for a, w in pairs:
        if not a.is_floating_point():
            a.copy_(w)


def largest_gradients(parameters: Mapping[str, Tensor], count: int = 3) -> str:
    """Say which parameters have the largest gradients, those that are not finite first."""
    found = []
    for name, parameter in parameters.items():
        if parameter.grad is not None and parameter.grad.numel():
            largest = float(parameter.grad.abs().max())
            found.append((largest if math.isfinite(largest) else math.inf, name, largest))
    found.sort(key=lambda entry: -entry[0])  # stable: of equals, the first in the network
    return ", ".join(f"{name} {largest:.3g}" for _, name, largest in found[:count]) or "none"
