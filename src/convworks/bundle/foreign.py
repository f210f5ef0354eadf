"""Weights that others trained: from their file into a bundle, and from a bundle back to their names."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from convworks import files
from convworks.bundle.bundle import Bundle
from convworks.bundle.tensors import load_tensors
from convworks.data.preprocess import Preprocessing
from convworks.errors import InputError
from convworks.layers.network import Network, without_auxiliary
from convworks.models.catalogue import Shape, create, facts
from convworks.models.config import ModelConfig
from convworks.models.meta import without_values
from convworks.models.peers import Peer, find_peer, translation
from convworks.models.pretrained import Pretrained

SHOWN = 5  # keys named in an error
#: Counters that no computation reads; older files lack them.
COUNTERS = "num_batches_tracked"
#: Keys under which training programs keep the weights beside other things.
INSIDE = ("state_dict", "model", "model_state_dict", "net")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file, or a PyTorch state_dict with `weights_only`: nothing in the file is executed.

    Raises InputError for a file that is missing, damaged, holds code or something else than named tensors.
    """
    if not path.is_file():
        raise InputError(path, "does not exist or is no file", "give a .safetensors file or a PyTorch state_dict")
    if path.suffix == ".safetensors":
        try:
            return load_tensors(path)
        except (SafetensorError, OSError) as error:
            raise InputError(path, f"is no safetensors file ({error})", "fetch it again") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle protocol of files that are refused anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        reason = "holds code, or is no state_dict; nothing of it was executed"
        raise InputError(path, reason, "save `model.state_dict()` alone, or as safetensors") from None
    except Exception as error:  # a damaged file raises nearly anything
        raise InputError(path, f"cannot be read ({_line(error)})", "give the file that torch.save wrote") from None
    return _tensors(path, content)


def import_bundle(
    path: Path,
    model: str,
    *,
    peer: str | None = None,
    classes: Sequence[str] = (),
    published: Pretrained | None = None,
) -> Bundle:
    """Return the network `model` with the weights of a file, as a bundle that predicts.

    With `peer`, `model` is the peer's name, or ours of the row that computes the same. The numbers of classes and of
    channels follow from the weights; `classes` names the classes; `published` says what else is known of them.
    Raises InputError for weights whose keys are missing, unknown or of another shape, and lists them.
    """
    entry, row = find_peer(peer, model) if peer else (None, model)
    expected = facts(row).shape
    if len(expected.size) != 2:
        raise InputError("--model", f"{row} takes no images", "weights of networks for images can be imported")
    state = _without_wrapper(read_weights(path))
    with without_values():
        names = _names(create(row), entry, row)
    shape = _shape(path, names, state, expected)
    network = without_auxiliary(create(row, shape))
    _load(path, network, {ours: theirs for ours, theirs in names.items() if ours in network.state_dict()}, state, entry)
    chosen = tuple(classes) or (entry.classes if entry else ()) or tuple(map(str, range(shape.classes)))
    if len(chosen) != shape.classes or len(set(chosen)) != len(chosen):
        reason = f"gives {len(set(chosen))} different names, the weights have {shape.classes} classes"
        raise InputError("--classes", reason, "give one name a line, in the order of the outputs")
    record = {"imported": {"file": path.name, "sha256": files.sha256(path), "from": peer, "name": model}}
    return Bundle(
        network=network.eval().channels_last(),
        model=ModelConfig(name=row),
        preprocessing=_preprocessing(published or entry, entry, shape),
        classes=chosen,
        record=record,
    )


def export_weights(bundle: Bundle, peer: str) -> tuple[bytes, str]:
    """Return the weights of a bundle under a peer's names, as a safetensors file, and the peer's name of the network.

    Raises InputError where the peer has no network that computes what the bundle's does.
    """
    entry, row = find_peer(peer, bundle.model.name, ours=True)
    state = bundle.network.state_dict()
    assert isinstance(bundle.network, Network)  # others know no networks of your own
    names = _names(bundle.network, entry, row)
    name = next(theirs for theirs, known in entry.names.items() if known == row)
    return save({names[key]: tensor.cpu().contiguous() for key, tensor in state.items() if key in names}), name


def _tensors(path: Path, content: Any) -> dict[str, Tensor]:
    """Return the named tensors of a file, also where they lie beside other things."""
    for key in INSIDE:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise InputError(path, "holds something else than named tensors", "save `model.state_dict()` alone")
    return {str(key): tensor for key, tensor in content.items()}


def _without_wrapper(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state without the prefix that training on several devices gives to every key."""
    wrapped = all(key.startswith("module.") for key in state)
    return {key.removeprefix("module."): tensor for key, tensor in state.items()} if wrapped else state


def _names(network: Network, entry: Peer | None, row: str) -> dict[str, str]:
    """Return our keys with those of the peer, or with themselves."""
    ours = network.state_dict()
    return translation(ours, entry.table(row)) if entry else {key: key for key in ours}


def _shape(path: Path, names: dict[str, str], state: dict[str, Tensor], published: Shape) -> Shape:
    """Return the number of classes and channels that the weights are for."""
    last = next((key for key in reversed(names) if key.startswith("head.logits.")), None)
    first = next(iter(names))
    if last is None or names[last] not in state or names[first] not in state:
        wanted = names[first] if names[first] not in state else names.get(last or "", "head.logits.weight")
        raise InputError(
            path,
            f"has no {wanted}; it has {_listed(list(state))}",
            "name the right --model, and with --from its library",
        )
    return Shape(classes=len(state[names[last]]), channels=state[names[first]].shape[1], size=published.size)


def _load(path: Path, network: Network, names: dict[str, str], state: dict[str, Tensor], entry: Peer | None) -> None:
    """Copy every tensor to its place, or say which do not fit."""
    own = network.state_dict()
    missing = [theirs for theirs in names.values() if theirs not in state and not theirs.endswith(COUNTERS)]
    patterns = (*(entry.extra if entry else ()), rf".*{COUNTERS}", r"auxiliary\..*")
    used = set(names.values())
    extra = [key for key in state if key not in used and not any(re.fullmatch(p, key) for p in patterns)]
    misshapen = [
        f"{theirs} {_size(state[theirs])} instead of {_size(own[ours])}"
        for ours, theirs in names.items()
        if theirs in state and state[theirs].shape != own[ours].shape
    ]
    found = (("missing", missing), ("unknown", extra), ("of another shape", misshapen))
    faults = [f"{len(keys)} {what}: {_listed(keys)}" for what, keys in found if keys]
    if faults:
        raise InputError(path, "; ".join(faults), "name the right --model, and with --from its library")
    own.update({ours: state[theirs] for ours, theirs in names.items() if theirs in state})
    network.load_state_dict(own)


def _preprocessing(given: Pretrained | Peer | None, entry: Peer | None, shape: Shape) -> Preprocessing:
    """Return what the peer does to images; without a peer, pixels become -1 to 1."""
    mean = (given and given.mean) or (entry and entry.mean) or (0.5,)
    std = (given and given.std) or (entry and entry.std) or (0.5,)
    if len(mean) != shape.channels:
        mean, std = ((sum(values) / len(values),) * shape.channels for values in (mean, std))
    size = (shape.size[0], shape.size[1])
    share = given.share if given else 1.0
    return Preprocessing(size=size, channels=shape.channels, fit="crop", mean=mean, std=std, share=share)


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else "")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]
