"""Parameters and multiply-adds (MACs) of a network, counted on its modules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from convworks.layers.heads.rbf import RBF
from convworks.layers.mode import evaluating
from convworks.layers.partial import PartialConv2d
from convworks.layers.transposed import Transposed
from convworks.models.analysis.meta import without_values
from convworks.models.catalogue import create, example

#: Buffers of normalisation, which are not parameters.
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, kw_only=True)
class Count:
    """Trainable parameters, and multiply-adds of convolutions and fully connected layers for one image, without bias.

    `total` includes parameters that are not trained. None of them includes auxiliary classifiers, whose trainable
    parameters are `auxiliary`.
    """

    parameters: int
    total: int
    macs: int
    auxiliary: int = 0


def count_published(name: str) -> Count:
    """Count a network of the catalogue at its published shape, on the meta device."""
    with without_values():
        return count(create(name), example(name))


def parameters(network: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def total_parameters(network: nn.Module) -> int:
    """Count trained and fixed parameters (such as the output codes of LeNet-5), without auxiliary classifiers."""
    stored = network.state_dict().keys()
    values = [*network.named_parameters(), *((name, v) for name, v in network.named_buffers() if name in stored)]
    return sum(
        value.numel()
        for name, value in values
        if not name.startswith("auxiliary.") and name.rpartition(".")[2] not in STATISTICS
    )


def count(network: nn.Module, images: Tensor) -> Count:
    """Count a network on a batch of one; on the meta device this takes no memory."""
    macs = 0

    def add(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal macs
        macs += multiply_adds(module, inputs[0], output)

    handles = [module.register_forward_hook(add) for module in network.modules()]
    try:
        with evaluating(network), torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    auxiliary = parameters(getattr(network, "auxiliary", nn.Identity()))
    trained = parameters(network) - auxiliary
    return Count(parameters=trained, total=total_parameters(network), macs=macs, auxiliary=auxiliary)


def multiply_adds(module: nn.Module, images: Tensor, output: Tensor) -> int:
    """Return the multiply-adds of one layer on one image."""
    if isinstance(module, PartialConv2d):
        return module.connections * math.prod(output.shape[2:])
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return module.weight[0].numel() * output[0].numel()
    if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        return module.weight[0].numel() * images[0].numel()  # including those that fall into the padding
    if isinstance(module, nn.Linear | Transposed):
        return module.in_features * output[0].numel()
    if isinstance(module, RBF):
        return module.codes.numel()
    return 0
