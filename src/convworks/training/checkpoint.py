"""Checkpoints: what a run needs to go on, bit for bit.

A checkpoint is NAME.safetensors (tensors) and NAME.json (the rest, with the checksum of the tensors). The JSON file
is written last, so that it only ever names tensors that are whole and on the disk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import Tensor

from convworks import files
from convworks.errors import InputError
from convworks.layers.values import require_sound

FORMAT = 1


def save_checkpoint(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write the checkpoint of a step."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"step-{step:08d}.safetensors"
    files.write_bytes(weights, save({name: tensor.contiguous() for name, tensor in tensors.items()}))
    description = {"format": FORMAT, "step": step, "sha256": files.sha256(weights), "state": dict(state)}
    files.write_json(weights.with_suffix(".json"), description)


def steps(folder: Path) -> list[int]:
    """Return the steps of the complete checkpoints, in order."""
    found = (re.fullmatch(r"step-(\d+)\.json", path.name) for path in folder.glob("step-*.json"))
    return sorted(int(match[1]) for match in found if match)


def load_checkpoint(folder: Path, step: int | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the checkpoint of a step (the last by default) as (tensors, state).

    Raises InputError where there is none, or where it is damaged or of another format.
    """
    if step is None:
        known = steps(folder)
        if not known:
            raise InputError(folder, "there is no checkpoint", "start the run anew, without --resume")
        step = known[-1]
    path = folder / f"step-{step:08d}.json"
    remedy = f"delete {path.stem}.* to resume from an earlier checkpoint, if there is one, or start the run anew"
    try:
        description = json.loads(path.read_text())
        form, wanted, state = description["format"], description["sha256"], description["state"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"cannot be read as a checkpoint ({type(error).__name__}: {error})", remedy) from None
    if form != FORMAT:
        raise InputError(
            path, f"has format {form!r}, this version reads {FORMAT}", "resume with the version that wrote it"
        )
    weights = path.with_suffix(".safetensors")
    if not weights.is_file() or files.sha256(weights) != wanted:
        raise InputError(weights, "does not have the checksum that its checkpoint names", remedy)
    tensors = load_file(weights)
    require_sound(weights, tensors, remedy)
    return tensors, state


def clean(folder: Path) -> None:
    """Delete what an interrupted save left behind: half-written files, and tensors that no JSON file names."""
    whole = {f"step-{step:08d}" for step in steps(folder)}
    for path in folder.glob("step-*"):
        if path.name.endswith(files.TEMPORARY) or path.stem not in whole:
            path.unlink(missing_ok=True)


def keep_checkpoints(folder: Path, kept: Iterable[int]) -> None:
    """Delete every checkpoint but those of the given steps, and what an interrupted save left behind."""
    wanted = {f"step-{step:08d}" for step in kept}
    # A checkpoint stops existing with its JSON file; the order of deletion never leaves one without tensors.
    for path in sorted(folder.glob("step-*"), key=lambda path: path.suffix != ".json"):
        if path.name.endswith(files.TEMPORARY) or path.stem not in wanted:
            path.unlink(missing_ok=True)
