"""Checkpoints: everything needed to resume a run bit-exactly.

A checkpoint is NAME.safetensors (tensors) and NAME.json (the rest, with the checksums of the tensors and of itself).
The JSON file is written last, so that it only ever refers to tensors that are complete and on the disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from convworks import files
from convworks.bundle.tensors import load_tensors
from convworks.errors import InputError
from convworks.layers.values import require_sound
from convworks.partial import is_partial
from convworks.training.checkpoints.state import name_of, read_state, remedy, steps, write_state


def save_checkpoint(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write the checkpoint of a step."""
    folder.mkdir(parents=True, exist_ok=True)
    content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    files.write_bytes(folder / f"{name_of(step)}.safetensors", content)
    write_state(folder, step, state, hashlib.sha256(content).hexdigest())


def load_checkpoint(folder: Path, step: int | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the checkpoint of a step (the last by default) as (tensors, state).

    Raises InputError if there is none, or if it is damaged or of an unknown format.
    """
    if step is None:
        saved = steps(folder)
        if not saved:
            raise InputError(folder, "has no checkpoint", "start a new run, without --resume")
        step = saved[-1]
    state, checksum = read_state(folder, step)
    weights = folder / f"{name_of(step)}.safetensors"
    if not weights.is_file() or files.sha256(weights) != checksum:
        raise InputError(weights, "does not match the checksum in its checkpoint", remedy(step))
    tensors = load_tensors(weights)
    require_sound(weights, tensors, remedy(step))
    return tensors, state


def clean(folder: Path) -> None:
    """Delete the files of an interrupted save: partial files, and tensors without a JSON file."""
    whole = {name_of(step) for step in steps(folder)}
    for path in folder.glob("step-*"):
        if is_partial(path.name) or path.stem not in whole:
            path.unlink(missing_ok=True)


def keep_checkpoints(folder: Path, kept_steps: Iterable[int]) -> None:
    """Delete all checkpoints except those of these steps, and the files of interrupted saves."""
    names = {name_of(step) for step in kept_steps}
    # JSON files are deleted first, so that no checkpoint is ever without its tensors.
    for path in sorted(folder.glob("step-*"), key=lambda path: path.suffix != ".json"):
        if is_partial(path.name) or path.stem not in names:
            path.unlink(missing_ok=True)
