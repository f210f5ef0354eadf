"""Optimisers as functions over named tensors: their state is a plain mapping, saved and restored as it is.

PyTorch's kernels are called directly: building a torch.optim.Optimizer imports the compiler, a second of waiting
that a short run would notice.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from convworks.training.config import SGD, AdamW

# What each optimiser remembers of each parameter; the state holds it as "SLOT:PARAMETER".
SLOTS = {"sgd": ("momentum",), "adamw": ("mean", "square", "step")}


def trainable(network: nn.Module) -> dict[str, Tensor]:
    """Return the parameters that are trained, by name."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def initial_state(config: SGD | AdamW, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state before the first step: zeros."""
    return {
        f"{slot}:{name}": torch.zeros((), device=value.device) if slot == "step" else torch.zeros_like(value)
        for slot in SLOTS[config.kind]
        for name, value in parameters.items()
    }


def decays(parameter: Tensor) -> bool:
    """Tell whether weight decay applies: to weights of convolutions and matrices, not to biases and norms."""
    return parameter.ndim > 1


@torch.no_grad()
def update(config: SGD | AdamW, parameters: Mapping[str, Tensor], state: Mapping[str, Tensor], rate: float) -> None:
    """Take one step in place, from the gradients that the parameters hold, and clear these."""
    for decayed in (True, False):
        group = {n: p for n, p in parameters.items() if p.grad is not None and decays(p) is decayed}
        gradients = [p.grad for p in group.values() if p.grad is not None]
        slots = [[state[f"{slot}:{name}"] for name in group] for slot in SLOTS[config.kind]]
        decay = config.weight_decay if decayed else 0.0
        match config:
            case SGD():
                _sgd(config, list(group.values()), gradients, slots, rate, decay)
            case AdamW():
                _adamw(config, list(group.values()), gradients, slots, rate, decay)
    for parameter in parameters.values():
        parameter.grad = None


def _sgd(
    config: SGD, values: list[Tensor], gradients: list[Tensor], slots: list[list[Tensor]], rate: float, decay: float
) -> None:
    (momentum,) = slots
    sgd(
        values,
        gradients,
        list(momentum),
        fused=True,
        weight_decay=decay,
        momentum=config.momentum,
        lr=rate,
        dampening=0.0,
        nesterov=config.nesterov,
        maximize=False,
    )


def _adamw(
    config: AdamW, values: list[Tensor], gradients: list[Tensor], slots: list[list[Tensor]], rate: float, decay: float
) -> None:
    mean, square, step = slots
    adam(
        values,
        gradients,
        mean,
        square,
        [],
        step,
        fused=True,
        decoupled_weight_decay=True,
        amsgrad=False,
        beta1=config.betas[0],
        beta2=config.betas[1],
        lr=rate,
        weight_decay=decay,
        eps=config.epsilon,
        maximize=False,
    )
