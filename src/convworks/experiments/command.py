"""What the commands of experiments share: where an experiment may go, how it goes on, how many work on it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from convworks.errors import InputError

RECORD = "experiment.json"
MOST = 1024


def parse_workers(text: str | int) -> int | str:
    """Return a number of processes, or "ray"."""
    if text == "ray":
        return "ray"
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 1 <= count <= MOST:
        raise InputError("--workers", f"is {text!r}", f"give a number of processes from 1 to {MOST}, or ray")
    return count


def check_place(out: Path | None, kind: str) -> None:
    """Refuse a folder that holds an experiment."""
    if out is not None and (out / RECORD).exists():
        remedy = f"give the name of a new folder, or go on: {resume_command(kind, out)}"
        raise InputError(f"--out {out}", "an experiment is in it", remedy)


def storage_file(url: str) -> Path | None:
    """Return the file of an Optuna storage; None where it is a server."""
    found = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", url)
    return Path(found[1]) if found else None


def resume_command(kind: str, place: Path) -> str:
    """Return the command that goes on with an experiment."""
    return shlex.join(["convworks", kind, "--resume", str(place)])
