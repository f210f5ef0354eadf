"""The JSON file of a checkpoint, which refers to its tensors; written and read without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convworks.errors import InputError
from convworks.signed import CHECKSUM, Kind, read_signed, write_signed

FORMAT = 2
UNSIGNED = 1  # in this format `sha256` is the checksum of the tensors


def name_of(step: int) -> str:
    """Return the name of the files of a checkpoint, without suffix."""
    return f"step-{step:08d}"


def steps(folder: Path) -> list[int]:
    """Return the steps of the complete checkpoints, sorted."""
    matches = (re.fullmatch(r"step-(\d+)\.json", path.name) for path in folder.glob("step-*.json"))
    return sorted(int(match[1]) for match in matches if match)


def write_state(folder: Path, step: int, state: Mapping[str, Any], tensors: str) -> None:
    """Write the state of a run after a step, and the checksum of the tensors."""
    values = {"format": FORMAT, "step": step, "tensors_sha256": tensors, "state": dict(state)}
    write_signed(folder / f"{name_of(step)}.json", values)


def read_state(folder: Path, step: int) -> tuple[dict[str, Any], str]:
    """Return the state of a run after a step, and the checksum of the tensors; InputError if the file is damaged."""
    path = folder / f"{name_of(step)}.json"
    kind = Kind(
        name="a checkpoint",
        formats=(UNSIGNED, FORMAT),
        unsigned=(UNSIGNED,),
        fields={"step": int, "state": dict},
        damaged=remedy(step),
    )
    values = read_signed(path, kind)
    tensors = values.get(CHECKSUM if values["format"] == UNSIGNED else "tensors_sha256")
    if values["step"] != step or not isinstance(tensors, str):
        raise InputError(path, f"is not the checkpoint of step {step}", kind.damaged)
    return values["state"], tensors


def remedy(step: int) -> str:
    """Return the remedy for a damaged checkpoint."""
    return f"delete {name_of(step)}.* to resume from an earlier checkpoint, if there is one, or start a new run"
