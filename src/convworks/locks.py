"""Locks on open files and folders, which the system lets go of however a process ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks
    AVAILABLE = False
else:
    AVAILABLE = True


def lock(handle: int, *, shared: bool = False, wait: bool = False) -> bool | None:
    """Lock what `handle` is open on; False where another process has it, None where there are no such locks."""
    if not AVAILABLE:
        return None
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have none
        return None
    return True


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keep a file, made where it is missing, to this thread while the context lasts; others wait."""
    with path.open("ab") as file:
        lock(file.fileno(), wait=True)
        yield


def is_locked(folder: Path) -> bool | None:
    """Tell whether a process works in a folder; None where there are no locks that would say so."""
    if not AVAILABLE:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        taken = lock(handle, shared=True)
    finally:
        os.close(handle)
    return None if taken is None else not taken


def same(handle: int, path: Path) -> bool:
    """Tell whether a path still names what is open, and is no link to it."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path, follow_symlinks=False))
    except OSError:
        return False
