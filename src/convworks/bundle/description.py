"""bundle.json: what a bundle says of itself, checked before anything heavy is loaded."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from convworks import files
from convworks.bundle.earlier import EARLIER, of_today
from convworks.errors import InputError
from convworks.signed import Kind, read_signed

FORMAT = 4
NAME, WEIGHTS = "bundle.json", "weights.safetensors"
REMEDY = "copy the bundle again from where it was made"
BUNDLE = Kind(
    name="the description of a bundle",
    formats=(*EARLIER, FORMAT),
    fields={"model": dict, "preprocessing": dict, "classes": list, "record": dict, "weights_sha256": str},
    damaged=REMEDY,
)


def read_description(path: Path) -> tuple[dict[str, Any], Path]:
    """Return the checked content of bundle.json and the folder that it is in; it does not read the weights."""
    folder = folder_of(path)
    file = folder / NAME
    if not path.exists():
        raise InputError(path, "does not exist", "give the folder of a bundle or of a finished run")
    if not file.exists():
        raise InputError(path, f"holds no {NAME}", "give the folder of a bundle or of a finished run")
    description = read_signed(file, BUNDLE)
    description = of_today(description)
    task = description.get("task")
    if not isinstance(task, dict) or not isinstance(task.get("name"), str):
        raise InputError(file, "does not name a task", REMEDY)
    if len(description["classes"]) == 1 or not all(isinstance(name, str) for name in description["classes"]):
        raise InputError(file, "does not name two classes or more", REMEDY)
    return description, folder


def folder_of(path: Path) -> Path:
    """Return the folder of a bundle: that of a run, or the path itself."""
    return path / "bundle" if (path / "bundle" / NAME).is_file() else path


#: What `waiting` calls them.
WAITING = re.compile(r"weights\.[0-9a-f]{16}\.safetensors")


def waiting(folder: Path, checksum: str) -> Path:
    """Return where new weights of a bundle lie until they take the place of the old ones."""
    return folder / f"weights.{checksum[:16]}.safetensors"


def identity(file: Path) -> tuple[int, ...]:
    """Return what another file of the same name has not: where it lies, how long it is, when it was written."""
    state = file.stat()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def find_weights(folder: Path, checksum: str) -> tuple[Path, tuple[int, ...]]:
    """Return the weights that a description names, which perhaps wait to take their place, and their identity.

    Raises InputError where they are missing or damaged.
    """
    for file in (waiting(folder, checksum), folder / WEIGHTS):
        with suppress(FileNotFoundError):  # it has taken its place meanwhile
            known = identity(file)
            if files.sha256(file) == checksum:
                return file, known
    raise InputError(folder / WEIGHTS, f"is missing or does not have the checksum in {NAME}", REMEDY)
