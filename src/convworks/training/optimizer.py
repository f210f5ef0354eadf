"""Optimisers as functions over named tensors: state is a plain mapping, saved and restored as it is."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from convworks.training.config import SGD


def trainable(network: nn.Module) -> dict[str, Tensor]:
    """Return the parameters that are trained, by name."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def initial_state(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the momentum of each parameter: zero."""
    return {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}


def decays(parameter: Tensor) -> bool:
    """Tell whether weight decay applies: to weights of convolutions and matrices, not to biases and norms."""
    return parameter.ndim > 1


@torch.no_grad()
def update(config: SGD, parameters: Mapping[str, Tensor], momentum: Mapping[str, Tensor], rate: float) -> None:
    """Take one step in place, from the gradients that the parameters hold, and clear these.

    It calls PyTorch's fused kernel directly: building a torch.optim.SGD imports the compiler, a second of waiting
    that a short run would notice.
    """
    for decayed in (True, False):
        group = [n for n, p in parameters.items() if p.grad is not None and decays(p) is decayed]
        sgd(
            [parameters[name] for name in group],
            [gradient for name in group if (gradient := parameters[name].grad) is not None],
            [momentum[name] for name in group],
            fused=True,
            weight_decay=config.weight_decay if decayed else 0.0,
            momentum=config.momentum,
            lr=rate,
            dampening=0.0,
            nesterov=config.nesterov,
            maximize=False,
        )
    for parameter in parameters.values():
        parameter.grad = None
