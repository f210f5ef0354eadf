"""Networks that are cut at a tap and have a new head there: transfer learning (lectures 001 and 004)."""

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
from convworks.models.transfer.head_config import Head, LinearHead, RBFHead, SVMHead, TwoLayerHead

DEVIATION = 0.01  # of the first weights of new logits: an even answer, from which training starts


def assemble(model: ModelConfig, shape: Shape) -> Network:
    """Build and initialise the network of a configuration: by its name, then cut and with a new head where it says so.

    Raises InputError for a table, a tap or a size that does not fit.
    """
    steps = model.adapted
    outputs = [step.outputs for step in steps] + [shape.classes]
    network = create(model.name, dataclasses.replace(shape, classes=outputs[0]), table=model.table)
    for step, classes in zip(steps, outputs[1:], strict=True):
        network = adapt(network, step.cut, step.head, dataclasses.replace(shape, classes=classes))
    return network


def adapt(network: Network, cut: str, head: Head, shape: Shape) -> Network:
    """Return the network up to a tap with a new head; it shares the modules before the tap, under the same names.

    Auxiliary classifiers are left behind. Raises InputError where it cannot be cut there.
    """
    kept = body(network, cut)
    found = _activation(kept, shape)
    parts: dict[str, nn.Module] = {}
    if found.ndim > 2:
        if head.pool != "none":
            kinds: dict[str, tuple[Callable[[int], nn.Module], ...]]
            kinds = {"average": (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)}
            kinds["max"] = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
            parts["pool"] = kinds[head.pool][found.ndim - 3](1)
        parts["features"] = nn.Flatten()
    features = found.shape[1] if head.pool != "none" else found[0].numel()
    parts |= _layers(head, features, shape.classes)
    ours = nn.Sequential()
    for name, module in kept.head.named_children():
        ours.add_module(name, module)
    for name, module in parts.items():
        ours.add_module(_free(name, ours), module)
    return Network(stem=kept.stem, stages=dict(kept.stages.named_children()), head=ours)


def new_parts(network: Network, cut: str) -> tuple[str, ...]:
    """Name the taps of the head that a transfer put on at `cut`, in the order of computation."""
    names = [f"head.{name}" for name, _ in network.head.named_children()]
    return tuple(names[names.index(cut) + 1 :] if cut in names else names)


def kept_parts(network: Network, cut: str | None) -> tuple[str, ...]:
    """Name the taps of the parts of a network, from the stem on, that a transfer kept, or that have no new head.

    They are stem, stages, and those parts of the head that have weights.
    """
    new = new_parts(network, cut) if cut is not None else ()
    parts = {f"head.{name}": module for name, module in network.head.named_children()}
    weighted = [name for name, module in parts.items() if name not in new and module.state_dict()]
    stages = [name for name, stage in network.stages.named_children() if stage.state_dict()]
    return (*(["stem"] if network.stem.state_dict() else []), *stages, *weighted)


def layers_kept(network: Network, cut: str) -> tuple[str, ...]:
    """Name the taps of a network whose weights one that is cut from it begins with: none of them lies in another."""
    first, _, part = cut.partition(".")
    kept, found = body(network, cut), []
    for name in kept_parts(kept, None):
        if name == first and part and first != "head":
            blocks = kept.stages.get_submodule(name).named_children()
            found += [f"{name}.{block}" for block, module in blocks if module.state_dict()]
        else:
            found.append(name)
    return tuple(found)


def makes_logits(model: ModelConfig) -> bool:
    """Tell whether a network makes one answer for each class: a new head always does, some networks make images."""
    return bool(model.adapted) or facts(model.name).makes == "logits"


def _layers(head: Head, features: int, classes: int) -> dict[str, nn.Module]:
    """Return the layers of a head from a vector on, with their first weights."""
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


def _free(name: str, head: nn.Sequential) -> str:
    """Return a name that no part of the head has: where its logits are kept, those behind them are logits2."""
    taken, number, found = dict(head.named_children()), 2, name
    while found in taken:
        found, number = f"{name}{number}", number + 1
    return found


def _activation(kept: Network, shape: Shape) -> Tensor:
    """Return what the body gives for one image, on the meta device: its shape, without the work."""
    tensors: Mapping[str, Tensor] = {**dict(kept.named_parameters()), **dict(kept.named_buffers())}
    empty = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    training = kept.training
    try:
        with torch.no_grad(), torch.device("meta"):
            found: Tensor = functional_call(kept.eval(), empty, torch.zeros(1, shape.channels, *shape.size))
    finally:
        kept.train(training)
    return found
