"""A network that begins with layers of another one: how VGG A grows into D and E."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from convworks.bundle.bundle import load_bundle
from convworks.bundle.description import read_description
from convworks.errors import InputError, nearest
from convworks.files import path_of
from convworks.layers.network import Network
from convworks.models.config import Start

SHOWN = 4  # tensors of another shape


def grow(network: Network, start: Start) -> tuple[str, ...]:
    """Copy the layers that `start` names from its bundle or run into a network; return the names of the tensors.

    The others keep their values. Raises InputError where the bundle is missing, or a layer is unknown to either
    network or of another shape; then nothing is changed.
    """
    place = place_of(start)
    other = load_bundle(place).network
    assert isinstance(other, Network)  # as every bundle from the disk
    theirs, ours = other.state_dict(), network.state_dict()
    taps = {"the network": network.taps, str(start.path): other.taps}
    chosen: dict[str, Tensor] = {}
    for layer in start.layers:
        for whose, known in taps.items():
            if layer not in known:
                reason = f"names {layer!r}, which {whose} has not{nearest(layer, known)}"
                raise InputError("model.start.layers", reason, f"taps: {', '.join(known)}")
        prefix = f"{_module(layer)}."
        wanted = [name for name in ours if name.startswith(prefix)]
        if not wanted:
            raise InputError("model.start.layers", f"names {layer!r}, which has no weights", "leave it out")
        chosen |= {name: theirs[name] for name in wanted if name in theirs}
        missing = [name for name in wanted if name not in theirs]
        if missing:
            raise InputError(place, f"has no {missing[0]}", f"leave {layer} out of model.start.layers")
    unlike = [
        f"{name} has {_size(tensor)} there, {_size(ours[name])} here"
        for name, tensor in chosen.items()
        if tensor.shape != ours[name].shape
    ]
    if unlike:
        more = f" and {len(unlike) - SHOWN} more" if len(unlike) > SHOWN else ""
        raise InputError(place, "; ".join(unlike[:SHOWN]) + more, "leave these out of model.start.layers")
    with torch.no_grad():
        for name, tensor in chosen.items():
            ours[name].copy_(tensor)
    return tuple(chosen)


def place_of(start: Start) -> Path:
    """Return where the bundle or run lies; an InputError says that it is left open, or that no bundle is there.

    It reads no weights: to be asked before a long decoding.
    """
    if start.path is None:
        reason = f"is open: {', '.join(start.layers)} begin with the weights of a network that was trained before"
        remedy = "give its run or bundle: --set model.start.path=RUN, or begin with random ones: --set model.start=None"
        raise InputError("model.start.path", reason, remedy)
    place = path_of(start.path)
    read_description(place)
    return place


def normalisation(start: Start, channels: int) -> dict[str, tuple[float, ...]]:
    """Return mean and std by which the other network's images are normalised; nothing for other channels."""
    given = read_description(place_of(start))[0]["preprocessing"]
    found = {name: tuple(given[name]) for name in ("mean", "std")}
    return {name: values for name, values in found.items() if len(values) == channels}


def _module(tap: str) -> str:
    """Return the name of the module behind a tap: stages lie under `stages`."""
    return tap if tap.partition(".")[0] in ("stem", "head") else f"stages.{tap}"


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
