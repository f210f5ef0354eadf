"""Transfer learning: networks cut at a tap, with a new head (lectures 001 and 004)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from convworks.layers.cut import body
from convworks.layers.draw import he_normal
from convworks.layers.heads.kernel_machine import KernelMachine
from convworks.layers.network import Network
from convworks.models.catalogue import Shape, create, facts
from convworks.models.config import ModelConfig
from convworks.models.transfer.dense import DEVIATION, dense, free_name
from convworks.models.transfer.head_config import (
    DenseHead,
    Head,
    LinearHead,
    PooledHead,
    RBFHead,
    SVMHead,
    TwoLayerHead,
)


def assemble(model: ModelConfig, shape: Shape) -> Network:
    """Build and initialise the network of a configuration: by name, then cut and with a new head for each transfer.

    Raises InputError for an invalid table, tap or size.
    """
    steps = model.adapted
    outputs = [step.outputs for step in steps] + [shape.classes]
    network = create(model.name, dataclasses.replace(shape, classes=outputs[0]), table=model.table)
    for step, classes in zip(steps, outputs[1:], strict=True):
        network = adapt(network, step.cut, step.head, dataclasses.replace(shape, classes=classes))
    return network


def adapt(network: Network, cut: str, head: Head, shape: Shape) -> Network:
    """Return the network up to a tap with a new head; modules before the tap are shared, under the same names.

    Auxiliary classifiers are removed. For heads that score every pixel, only the weights are shared (dense.py). Raises
    InputError if it cannot be cut there.
    """
    trunk = body(network, cut)
    if isinstance(head, DenseHead):
        return dense(trunk, head, shape)
    activation = _activation(trunk, shape)
    parts: dict[str, nn.Module] = {}
    if activation.ndim > 2:
        if head.pool != "none":
            kinds: dict[str, tuple[Callable[[int], nn.Module], ...]]
            kinds = {"average": (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)}
            kinds["max"] = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
            parts["pool"] = kinds[head.pool][activation.ndim - 3](1)
        parts["features"] = nn.Flatten()
    features = activation.shape[1] if head.pool != "none" else activation[0].numel()
    parts |= _layers(head, features, shape.classes)
    new_head = nn.Sequential()
    for name, module in trunk.head.named_children():
        new_head.add_module(name, module)
    for name, module in parts.items():
        new_head.add_module(free_name(name, dict(new_head.named_children())), module)
    return Network(stem=trunk.stem, stages=dict(trunk.stages.named_children()), head=new_head, links=trunk.links)


def new_parts(network: Network, cut: str) -> tuple[str, ...]:
    """Return the taps of the new stages and of the new head after `cut`, in the order of computation."""
    first = cut.partition(".")[0]
    stages = [name for name, _ in network.stages.named_children()]
    new_stages = stages[stages.index(first) + 1 :] if first in stages else stages if first == "stem" else []
    names = [f"head.{name}" for name, _ in network.head.named_children()]
    return (*new_stages, *(names[names.index(cut) + 1 :] if cut in names else names))


def kept_parts(network: Network, cut: str | None) -> tuple[str, ...]:
    """Return the taps of the parts with weights that a transfer kept (all of them if `cut` is None).

    These are stem, stages, and parts of the head.
    """
    new = new_parts(network, cut) if cut is not None else ()
    parts = {f"head.{name}": module for name, module in network.head.named_children()}
    weighted = [name for name, module in parts.items() if name not in new and module.state_dict()]
    stages = [name for name, stage in network.stages.named_children() if name not in new and stage.state_dict()]
    return (*(["stem"] if network.stem.state_dict() else []), *stages, *weighted)


def layers_kept(network: Network, cut: str) -> tuple[str, ...]:
    """Return the taps with weights that a network cut there starts from; none contains another."""
    first, _, part = cut.partition(".")
    trunk, taps = body(network, cut), []
    for name in kept_parts(trunk, None):
        if name == first and part and first != "head":
            blocks = trunk.stages.get_submodule(name).named_children()
            taps += [f"{name}.{block}" for block, module in blocks if module.state_dict()]
        else:
            taps.append(name)
    return tuple(taps)


def makes_logits(model: ModelConfig) -> bool:
    """Return whether a network outputs logits, or a map of them: any transfer does, some networks output images."""
    return bool(model.adapted) or facts(model.name).makes in ("logits", "map of logits")


def default_head(model: ModelConfig, *, masks: bool) -> str:
    """Return the head of a transfer: linear for labels; for masks a U-Net, or new logits of one that scores pixels."""
    if not masks:
        return "linear"
    makes = model.adapted[-1].head.makes if model.adapted else facts(model.name).makes
    return "pixel" if makes == "map of logits" else "unet"


def _layers(head: PooledHead, features: int, classes: int) -> dict[str, nn.Module]:
    """Return the initialised layers of a head after the feature vector."""
    match head:
        case LinearHead():
            dropout = {"dropout": nn.Dropout(head.dropout)} if head.dropout else {}
            return {**dropout, "logits": _logits(features, classes)}
        case TwoLayerHead():
            hidden = nn.Linear(features, head.width)
            he_normal(hidden)
            parts: dict[str, nn.Module] = {"hidden": hidden, "relu": nn.ReLU()}
            if head.dropout:
                parts["dropout"] = nn.Dropout(head.dropout)
            return {**parts, "logits": _logits(head.width, classes)}
        case SVMHead():
            return {"logits": _logits(features, classes)}
        case RBFHead():
            return {"logits": KernelMachine(features, classes)}


def _logits(features: int, classes: int) -> nn.Linear:
    layer = nn.Linear(features, classes)
    nn.init.normal_(layer.weight, 0.0, DEVIATION)
    nn.init.zeros_(layer.bias)
    return layer


def _activation(trunk: Network, shape: Shape) -> Tensor:
    """Return the output of the body for one image on the meta device, for its shape."""
    tensors: Mapping[str, Tensor] = {**dict(trunk.named_parameters()), **dict(trunk.named_buffers())}
    empty = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    training = trunk.training
    try:
        with torch.no_grad(), torch.device("meta"):
            activation: Tensor = functional_call(trunk.eval(), empty, torch.zeros(1, shape.channels, *shape.size))
    finally:
        trunk.train(training)
    return activation
