"""Locks on open files and folders, which the system releases however a process ends."""

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
    """Lock an open file or folder; False if another process holds the lock, None if locks are not supported."""
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
    """Hold an exclusive lock on a file, created if missing, within the context; others wait."""
    with path.open("ab") as file:
        lock(file.fileno(), wait=True)
        yield


def is_locked(folder: Path) -> bool | None:
    """Return whether a process holds the lock of a folder; None if locks are not supported."""
    if not AVAILABLE:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        acquired = lock(handle, shared=True)
    finally:
        os.close(handle)
    return None if acquired is None else not acquired


def same(handle: int, path: Path) -> bool:
    """Return whether a path still names the open file or folder, and is no link to it."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path, follow_symlinks=False))
    except OSError:
        return False
