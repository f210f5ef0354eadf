"""Importing weights of other libraries: from their file to a bundle."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from convworks import files
from convworks.bundle.bundle import Bundle
from convworks.bundle.match import Match, find_match
from convworks.bundle.weights_file import State, read_weights
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import InputError
from convworks.layers.network import Network, without_auxiliary
from convworks.layers.values import require_sound
from convworks.models.catalogue import Shape, create, facts
from convworks.models.config import ModelConfig
from convworks.models.published.peers import HALF, Peer

SHOWN = 5  # keys named in an error
DIVERGED = "its training diverged: import weights from before"


def import_bundle(
    path: Path,
    model: str,
    *,
    peer: str | None = None,
    key: str | None = None,
    classes: Sequence[str] = (),
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
) -> Bundle:
    """Return the network `model` with the weights of a file, as a bundle for prediction.

    `model` is a peer's name, or our name of the same network; without `peer`, the library is recognised by the names of
    the tensors. `key` selects one of several sets of weights in the file; by default averaged ones are preferred. The
    numbers of classes and channels follow from the weights; `classes` names the classes. `mean` and `std`, for pixels
    in 0..1, one for all channels or one each, replace the peer's normalisation. The record documents what was
    recognised. Raises InputError for weights that are missing, unknown or with another shape, and lists them.
    """
    sets = read_weights(path)
    match = find_match(path, sets, model, peer, key)
    entry, row, remedy = match.candidate.entry, match.candidate.row, _remedy(path, sets, model, match, peer)
    shape = _shape(path, match, remedy)
    preprocessing = _preprocessing(entry, shape, mean, std)
    network = without_auxiliary(create(row, shape))
    _load(path, network, match, remedy)
    chosen = tuple(classes) or (entry.classes if entry else ()) or tuple(map(str, range(shape.classes)))
    if len(chosen) != shape.classes or len(set(chosen)) != len(chosen):
        reason = f"gives {len(set(chosen))} different names, the weights have {shape.classes} classes"
        raise InputError("--classes", reason, "give one name per line, in the order of the outputs")
    imported = {
        "file": path.name,
        "sha256": files.sha256(path),
        "from": match.candidate.peer,
        "name": model,
        "key": match.key or None,
        "prefix": match.prefix,
        "left_out": match.left_out,
        "alike": list(match.peers[1:]),
        "others": list(match.others),
    }
    return Bundle(
        network=network.eval().channels_last(),
        model=ModelConfig(name=row),
        preprocessing=preprocessing,
        classes=chosen,
        record={"convworks": importlib.metadata.version("convworks"), "imported": imported},
    )


def _as_ours(entry: Peer | None, key: str, tensor: Tensor) -> Tensor:
    """Return one of the peer's tensors in our shape: a matrix where the peer has kernels."""
    return tensor.flatten(1) if entry is not None and key in entry.kernels and tensor.ndim > 2 else tensor


def _remedy(path: Path, sets: Mapping[str, State], model: str, match: Match, peer: str | None) -> str:
    """Return the remedy for weights that do not fit: another library, if its names fit."""
    with contextlib.suppress(InputError):  # the names fit several
        if match.missing and peer is not None and not (other := find_match(path, sets, model, None, None)).missing:
            return f"its names are those of {' and '.join(other.peers) or 'convworks'}: leave out --from"
    return "name the network with --model NAME, its library with --from NAME"


def _shape(path: Path, match: Match, remedy: str) -> Shape:
    """Return the numbers of classes and channels of the weights."""
    names, state = match.candidate.names, match.state
    last = next((key for key in reversed(list(names)) if key.startswith("head.logits.")), None)
    first = next(iter(names))
    if last is None or names[last] not in state or names[first] not in state:
        missing = names[first] if names[first] not in state else names.get(last or "", "head.logits.weight")
        raise InputError(path, f"has no {missing}; it has {_listed([*state, *match.unprefixed])}", remedy)
    published = facts(match.candidate.row).shape
    outputs, inputs = state[names[last]], state[names[first]]
    classes = len(outputs) if outputs.ndim else published.classes
    if classes < 2:
        raise InputError(path, f"has {classes} outputs, a bundle has two classes or more", "train it on two classes")
    channels = inputs.shape[1] if inputs.ndim > 1 and inputs.shape[1] else published.channels
    return Shape(classes=classes, channels=channels, size=published.size)


def _load(path: Path, network: Network, match: Match, remedy: str) -> None:
    """Load the weights into the network; InputError for tensors that do not fit or have unusable values."""
    target, entry = network.state_dict(), match.candidate.entry
    peer_names = {key: name for key, name in match.candidate.names.items() if name in match.state}
    state = {key: _as_ours(entry, key, match.state[name]) for key, name in peer_names.items()}
    misshapen = [
        f"{peer_names[key]} {_size(match.state[peer_names[key]])} instead of {_size(target[key])}"
        for key, tensor in state.items()
        if tensor.shape != target[key].shape
    ]
    integers = [
        f"{peer_names[key]} of {tensor.dtype}".replace("torch.", "")
        for key, tensor in state.items()
        if target[key].is_floating_point() and not tensor.is_floating_point()
    ]
    faults = {
        "missing": match.missing,
        "unknown": match.unknown,
        "with another shape": misshapen,
        "not floating-point": integers,
    }
    if lines := [f"{len(keys)} {what}: {_listed(keys)}" for what, keys in faults.items() if keys]:
        raise InputError(path, "; ".join(lines), remedy)
    state = {key: tensor.to(target[key].dtype) for key, tensor in state.items()}
    require_sound(path, {match.prefix + peer_names[key]: tensor for key, tensor in state.items()}, DIVERGED)
    network.load_state_dict({**target, **state})


def _preprocessing(entry: Peer | None, shape: Shape, mean: Sequence[float], std: Sequence[float]) -> Preprocessing:
    """Return the peer's preprocessing; without a peer, pixels are scaled to -1..1."""
    return Preprocessing(
        size=(shape.size[0], shape.size[1]),
        channels=shape.channels,
        fit="crop",
        mean=_values("--mean", mean, entry.mean if entry else HALF, shape.channels),
        std=_values("--std", std, entry.std if entry else HALF, shape.channels),
        crop_fraction=entry.crop_fraction if entry else 1.0,
    )


def _values(option: str, values: Sequence[float], default: Sequence[float], channels: int) -> tuple[float, ...]:
    """Return one number per channel: `values`, or the default, or its mean if the number of channels differs."""
    if not values:
        return tuple(default) if len(default) == channels else (sum(default) / len(default),) * channels
    if len(values) not in (1, channels):
        reason = f"gives {len(values)} numbers, the weights have {channels} channels"
        raise InputError(option, reason, "give one number, or one per channel")
    lowest_allowed = option == "--mean"
    if not all(0 <= value <= 1 and (value > 0 or lowest_allowed) for value in values):
        reason = f"is {', '.join(map(str, values))}: no {'mean' if lowest_allowed else 'deviation'} of pixels in 0..1"
        raise InputError(option, reason, "divide values for pixels in 0..255 by 255")
    return tuple(values) * (channels if len(values) == 1 else 1)


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else "")
