"""Warm starts: a network whose layers are copied from another one, as VGG D and E start from A."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from convworks.bundle.bundle import load_bundle
from convworks.bundle.description import read_description
from convworks.errors import InputError, nearest
from convworks.files import path_of
from convworks.layers.network import Network, module_name
from convworks.models.config import Start

SHOWN = 4  # mismatched tensors named in an error


def warm_start(network: Network, start: Start) -> tuple[str, ...]:
    """Copy the layers that `start` names from its bundle or run into a network; return the names of the tensors.

    Other tensors keep their values. The weights of a fully connected layer become those of a convolution whose window
    is the map that the layer sees, where the network has one instead. Raises InputError if the bundle is missing, or if
    a layer is unknown to either network or has another shape; then nothing is changed.
    """
    path = start_path(start)
    other = load_bundle(path).network
    assert isinstance(other, Network)  # as every bundle from the disk
    source_state, target_state = other.state_dict(), network.state_dict()
    taps = {"the network": network.taps, str(start.path): other.taps}
    chosen: dict[str, Tensor] = {}
    for layer in start.layers:
        for owner, names in taps.items():
            if layer not in names:
                reason = f"names {layer!r}, which {owner} does not have{nearest(layer, names)}"
                raise InputError("model.start.layers", reason, f"taps: {', '.join(names)}")
        prefix = f"{module_name(layer)}."
        keys = [name for name in target_state if name.startswith(prefix)]
        if not keys:
            raise InputError("model.start.layers", f"names {layer!r}, which has no weights", "leave it out")
        present = (name for name in keys if name in source_state)
        chosen |= {name: _as_convolution(source_state[name], target_state[name]) for name in present}
        missing = [name for name in keys if name not in source_state]
        if missing:
            raise InputError(path, f"has no {missing[0]}", f"leave {layer} out of model.start.layers")
    unlike = [
        f"{name} has {_size(tensor)} there, {_size(target_state[name])} here"
        for name, tensor in chosen.items()
        if tensor.shape != target_state[name].shape
    ]
    if unlike:
        more = f" and {len(unlike) - SHOWN} more" if len(unlike) > SHOWN else ""
        raise InputError(path, "; ".join(unlike[:SHOWN]) + more, "leave these out of model.start.layers")
    with torch.no_grad():
        for name, tensor in chosen.items():
            target_state[name].copy_(tensor)
    return tuple(chosen)


def _as_convolution(weight: Tensor, target: Tensor) -> Tensor:
    """Return the weights of a fully connected layer in the shape of a convolution with as many; others unchanged."""
    alike = weight.ndim == 2 and target.ndim == 4 and weight.numel() == target.numel() and len(weight) == len(target)
    return weight.view_as(target) if alike else weight


def start_path(start: Start) -> Path:
    """Return the path of the bundle or run; InputError if `start.path` is not set, or if there is no bundle.

    It reads no weights, so that it can be checked before images are decoded.
    """
    if start.path is None:
        reason = f"is missing: {', '.join(start.layers)} start from the weights of another network"
        remedy = (
            "give its run or bundle: --set model.start.path=RUN, or start from random weights: --set model.start=None"
        )
        raise InputError("model.start.path", reason, remedy)
    path = path_of(start.path)
    read_description(path)
    return path


def normalisation(start: Start, channels: int) -> dict[str, tuple[float, ...]]:
    """Return mean and std of the other network's preprocessing; empty if it has another number of channels."""
    preprocessing = read_description(start_path(start))[0]["preprocessing"]
    statistics = {name: tuple(preprocessing[name]) for name in ("mean", "std")}
    return {name: values for name, values in statistics.items() if len(values) == channels}


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
