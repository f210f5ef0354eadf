"""Functions that all experiment commands use: checks of folders and workers, the command to resume."""

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


def check_new_experiment(out: Path | None, kind: str) -> None:
    """Raise InputError for a folder that holds an experiment."""
    if out is not None and (out / RECORD).exists():
        remedy = f"name a new folder, or resume it: {resume_command(kind, out)}"
        raise InputError(f"--out {out}", "contains an experiment", remedy)


def storage_file(url: str) -> Path | None:
    """Return the file of an Optuna storage; None for a server."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", url)
    return Path(match[1]) if match else None


def resume_command(kind: str, folder: Path) -> str:
    """Return the command that resumes an experiment."""
    return shlex.join(["convworks", kind, "--resume", str(folder)])
