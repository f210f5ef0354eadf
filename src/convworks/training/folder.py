"""The run folder: its names, its record, and how a new one gets its place."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from convworks import files
from convworks.config import build, to_json
from convworks.errors import InputError
from convworks.training.config import RunConfig

FORMAT = 1
RECORD = "run.json"


def claim(out: Path | None, recipe: str) -> Path:
    """Return the folder for a new run: `out`, which must be new or empty, or the next free one under runs/.

    It is not made yet: a run whose input is wrong leaves nothing behind.
    """
    if out is not None:
        check_free(out)
        return out
    base = re.sub(r"[^\w.-]+", "-", recipe)
    number = 1
    while (folder := Path("runs") / (base if number == 1 else f"{base}-{number}")).exists():
        number += 1
    return folder


def check_free(out: Path) -> None:
    """Refuse a folder that something is in already."""
    parent = next(p for p in (out, *out.parents) if p.exists())
    if not parent.is_dir():
        raise InputError(f"--out {out}", f"{parent} is a file", "give the name of a new folder")
    if out.is_dir() and any(out.iterdir()):
        what = "a run is in it" if (out / RECORD).exists() else "the folder is not empty"
        raise InputError(f"--out {out}", what, "give the name of a new folder, or go on with --resume")


def write_record(folder: Path, config: RunConfig, status: str, **more: Any) -> None:
    """Write run.json: the complete configuration, where the run stands, and what else is known."""
    files.write_json(folder / RECORD, {"format": FORMAT, "status": status, "configuration": to_json(config), **more})


def read_record(folder: Path) -> tuple[RunConfig, dict[str, Any]]:
    """Return the configuration of a run and its whole record; InputError where there is none or it is damaged."""
    path = folder / RECORD
    if not path.is_file():
        raise InputError(folder, f"is no run: it holds no {RECORD}", "give the folder of a run, for example runs/NAME")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise InputError(
                path,
                f"has format {record['format']!r}, this version reads {FORMAT}",
                "resume with the version that wrote it",
            )
        return build(RunConfig, record["configuration"], where=str(path)), record
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"cannot be read as the record of a run ({error})", "start the run anew") from None


def resume_command(folder: Path) -> str:
    """Return the command that goes on with a run."""
    return shlex.join(["convworks", "train", "--resume", str(folder)])
