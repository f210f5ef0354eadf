"""Weights files: all sets of named tensors in a safetensors file or a PyTorch checkpoint; no code is executed."""

from __future__ import annotations

import argparse
import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from convworks.bundle.tensors import load_tensors
from convworks.errors import InputError
from convworks.files import open_regular

State = dict[str, Tensor]

DEPTH = 2  # of nested dictionaries around named tensors
#: Parts of names that PyTorch inserts for wrapped modules, at any position.
WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
#: Harmless classes that training programs store beside the weights.
HARMLESS: list[Any] = [argparse.Namespace]


def read_weights(path: Path) -> dict[str, State]:
    """Read a safetensors file or a file of torch.save: each set of named tensors by its key in the file.

    The key of a top-level set is the empty string, others are like `state_dict` or `model.state_dict`. Prefixes of
    torch.compile and FSDP are removed from the names. Raises InputError for a file that is missing, damaged, contains
    code or no named tensors.
    """
    with open_regular(path) as file:
        start = file.read(9)
    if path.suffix.lower() == ".safetensors" or start[8:] == b"{":
        try:
            sets = {"": load_tensors(path)}
        except (SafetensorError, OSError) as error:
            raise InputError(path, f"is not a safetensors file ({error})", "fetch it again") from None
    else:
        sets = dict(_sets(_unpickled(path)))
    if not any(sets.values()):
        raise InputError(path, "does not hold named tensors only", "save `model.state_dict()` alone")
    return {key: {_unwrapped(name): tensor for name, tensor in state.items()} for key, state in sets.items()}


def _unpickled(path: Path) -> Any:
    """Load a file of torch.save without executing code."""
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(HARMLESS):
            warnings.simplefilter("ignore")  # about the pickle protocol of files that are rejected anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        reason = "holds code, or is not a state_dict; nothing was executed"
        raise InputError(path, reason, "save `model.state_dict()` alone, or as safetensors") from None
    except Exception as error:  # a damaged file raises nearly anything
        raise InputError(path, f"cannot be read ({_line(error)})", "give the file that torch.save wrote") from None


def _sets(content: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[str, State]]:
    """Yield the sets of named tensors in nested dictionaries; other values (epoch, metrics) are ignored.

    An optimiser's tensors are not found: they are numbered, or nested deeper.
    """
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        return
    if state := {key: value for key, value in content.items() if isinstance(value, Tensor)}:
        yield ".".join(keys), state
    if len(keys) < DEPTH:
        for key, value in content.items():
            yield from _sets(value, (*keys, key))


def _unwrapped(name: str) -> str:
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]
