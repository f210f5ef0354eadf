"""Optimisers as functions over named tensors, with a plain mapping as state, which checkpoints save as it is.

PyTorch's functional optimisers are called directly: constructing a torch.optim.Optimizer imports the compiler, which
takes a second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.adadelta import adadelta
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from convworks.errors import InputError
from convworks.training.optimizers.config import SGD, Adadelta, Adam, AdamW, Muon, Optimizer, RMSProp
from convworks.training.optimizers.muon import muon

#: Prefixes of the parameters of auxiliary classifiers and of members of an ensemble.
CLASSIFIER = re.compile(r"(auxiliary|stages\.members)\.\w+")

# State variables that each optimiser keeps for a parameter; their keys in the state are "SLOT:PARAMETER".
SLOTS = {
    "sgd": ("momentum",),
    "rmsprop": ("square", "momentum", "step"),
    "adam": ("mean", "square", "step"),
    "adamw": ("mean", "square", "step"),
    "adadelta": ("square", "change", "step"),
    "muon": ("momentum",),
}


def trainable(network: nn.Module) -> dict[str, Tensor]:
    """Return the parameters that are trained, by name."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def check_single(network: nn.Module) -> None:
    """Raise InputError for a network with one parameter under two names, which a checkpoint cannot hold."""
    names: dict[int, str] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        if names.setdefault(id(parameter), name) != name:
            reason = f"{name} is the same tensor as {names[id(parameter)]}"
            raise InputError("model", reason, "give it one name, and use that in both places of forward")


def initial_state(config: Optimizer, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state before the first step: zeros."""
    return {
        f"{slot}:{name}": torch.zeros((), device=value.device) if slot == "step" else torch.zeros_like(value)
        for slot in SLOTS[config.kind]
        for name, value in parameters.items()
    }


def is_weight(parameter: Tensor) -> bool:
    """Return whether a parameter is a convolution filter or a matrix, not a bias or a parameter of normalisation."""
    return parameter.ndim > 1


def last_weights(parameters: Mapping[str, Tensor]) -> set[str]:
    """Return the names of the weights that make logits: the last of the network, of each auxiliary and each member."""
    weights: dict[str, str] = {}
    for name, value in parameters.items():
        if is_weight(value):
            classifier = CLASSIFIER.match(name)
            weights[classifier[0] if classifier else ""] = name
    return set(weights.values())


@torch.no_grad()
def update(
    config: Optimizer,
    parameters: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    rate: float,
    factors: Mapping[str, float] | None = None,
) -> None:
    """Take one step in place from the gradients of the parameters, and clear the gradients.

    `factors` are factors on the learning rate, by parameter name.
    """
    moved = {name: parameter for name, parameter in parameters.items() if parameter.grad is not None}
    last = last_weights(parameters) if isinstance(config, Muon) else set()
    by_factor: dict[float, dict[str, Tensor]] = {}
    for name, parameter in moved.items():
        by_factor.setdefault((factors or {}).get(name, 1.0), {})[name] = parameter
    for factor, group in by_factor.items():
        _step(config, group, state, rate * factor, last)
    for parameter in parameters.values():
        parameter.grad = None


def _step(
    config: Optimizer, moved: Mapping[str, Tensor], state: Mapping[str, Tensor], rate: float, last: set[str]
) -> None:
    """Update parameters with the same learning rate; `last` names the weights that make logits."""
    for weights in (True, False):
        group = {name: parameter for name, parameter in moved.items() if is_weight(parameter) is weights}
        decay = config.weight_decay if weights or config.decays == "all" else 0.0
        if isinstance(config, Muon):
            hidden = {name: value for name, value in group.items() if weights and name not in last}
            _move(config, hidden, state, rate, decay)
            rest = SGD(momentum=config.momentum, nesterov=config.nesterov and config.momentum > 0)
            for ending, factor in ((True, config.last or config.others), (False, config.others)):
                named = {
                    name: value for name, value in group.items() if name not in hidden and (name in last) is ending
                }
                _move(rest, named, state, rate * factor, decay)
        else:
            _move(config, group, state, rate, decay)


def _move(
    config: Optimizer, group: Mapping[str, Tensor], state: Mapping[str, Tensor], rate: float, decay: float
) -> None:
    """Update parameters with the same weight decay."""
    if not group:
        return
    values = list(group.values())
    gradients = [value.grad for value in values if value.grad is not None]
    slots: list[list[Tensor]] = [[state[f"{slot}:{name}"] for name in group] for slot in SLOTS[config.kind]]
    match config:
        case SGD():
            _sgd(config, values, gradients, slots, rate, decay)
        case Muon():
            muon(config, values, gradients, slots[0], rate, decay)
        case RMSProp():
            _rmsprop(config, values, gradients, slots, rate, decay)
        case Adadelta():
            _adadelta(config, values, gradients, slots, rate, decay)
        case Adam() | AdamW():
            _adam(config, values, gradients, slots, rate, decay)


Tensors = list[Tensor]


def _sgd(config: SGD, values: Tensors, gradients: Tensors, slots: Sequence[Tensors], rate: float, decay: float) -> None:
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


def _rmsprop(
    config: RMSProp, values: Tensors, gradients: Tensors, slots: Sequence[Tensors], rate: float, decay: float
) -> None:
    square, momentum, step = slots
    rmsprop(
        values,
        gradients,
        square,
        [],
        momentum if config.momentum else [],
        step,
        lr=rate,
        alpha=config.smoothing,
        eps=config.epsilon,
        weight_decay=decay,
        momentum=config.momentum,
        centered=False,
    )


def _adadelta(
    config: Adadelta, values: Tensors, gradients: Tensors, slots: Sequence[Tensors], rate: float, decay: float
) -> None:
    square, change, step = slots
    adadelta(
        values,
        gradients,
        square,
        change,
        step,
        lr=rate,
        rho=config.smoothing,
        eps=config.epsilon,
        weight_decay=decay,
        maximize=False,
    )


def _adam(
    config: Adam | AdamW, values: Tensors, gradients: Tensors, slots: Sequence[Tensors], rate: float, decay: float
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
        decoupled_weight_decay=isinstance(config, AdamW),
        amsgrad=False,
        beta1=config.betas[0],
        beta2=config.betas[1],
        lr=rate,
        weight_decay=decay,
        eps=config.epsilon,
        maximize=False,
    )
