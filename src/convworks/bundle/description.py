"""bundle.json: the description of a bundle, checked before anything heavy is imported."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from convworks import files
from convworks.bundle.earlier import EARLIER, of_today
from convworks.errors import InputError
from convworks.signed import Kind, read_signed

FORMAT = 4
NAME, WEIGHTS = "bundle.json", "weights.safetensors"
#: Marks the folder of a run.
RUN_RECORD = "run.json"
REMEDY = "copy the bundle again from where it was made"
BUNDLE = Kind(
    name="the description of a bundle",
    formats=(*EARLIER, FORMAT),
    fields={"model": dict, "preprocessing": dict, "classes": list, "record": dict, "weights_sha256": str},
    damaged=REMEDY,
)


def _check_finished(run: Path) -> None:
    """Raise InputError if a folder without a bundle is a run that has not finished."""
    if not (run / RUN_RECORD).exists():
        return
    resume = f"convworks train --resume {shlex.quote(str(run))}"
    remedy = f"resume with: {resume}, or end it after its last complete epoch: {resume} --finish"
    raise InputError(run, "is a run that has not finished, so it has no bundle yet", remedy)


def read_description(path: Path) -> tuple[dict[str, Any], Path]:
    """Return the checked content of bundle.json and its folder; does not read the weights."""
    folder = folder_of(path)
    file = folder / NAME
    if not file.exists():
        _check_finished(path if path.exists() else path.parent)
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
        raise InputError(file, "names fewer than two classes", REMEDY)
    return description, folder


#: The suffixes of files that `convworks export` writes for other libraries (inference/exported/).
EXPORTED = (".onnx", ".xml", ".pt2")


def is_exported(path: str | Path) -> bool:
    """Return whether a path names an exported file rather than a bundle."""
    return Path(path).suffix.lower() in EXPORTED and not Path(path).is_dir()


def folder_of(path: Path) -> Path:
    """Return the folder of a bundle: the path itself, or the bundle in a run folder."""
    return path / "bundle" if (path / "bundle" / NAME).is_file() else path


#: Names of files made by `waiting`.
WAITING = re.compile(r"weights\.[0-9a-f]{16}\.safetensors")


def waiting(folder: Path, checksum: str) -> Path:
    """Return the temporary path of new weights until they replace the old ones."""
    return folder / f"weights.{checksum[:16]}.safetensors"


def identity(file: Path) -> tuple[int, ...]:
    """Return the identity of a file, which changes when it is replaced: device, inode, size, time."""
    state = file.stat()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def find_weights(folder: Path, checksum: str) -> tuple[Path, tuple[int, ...]]:
    """Return the weights that a description names, possibly under their temporary name, and their identity.

    Raises InputError if they are missing or damaged.
    """
    for file in (waiting(folder, checksum), folder / WEIGHTS):
        with suppress(FileNotFoundError):  # renamed in the meantime
            file_identity = identity(file)
            if files.sha256(file) == checksum:
                return file, file_identity
    raise InputError(folder / WEIGHTS, f"is missing or does not have the checksum in {NAME}", REMEDY)
