"""What is made once for all processes that run tests, in the temporary folder that they share."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path


def once(base: Path, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder below the session's, which the first process fills by `make` while the others wait."""
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = shared / name, shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not done.exists():
            make(folder)
            done.touch()
    return folder
