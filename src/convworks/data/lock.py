"""A temporary file that one process at a time works on; the system lets go of it however a process ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convworks.console import say

try:
    import fcntl
except ImportError:  # Windows has no such lock
    AVAILABLE = False
else:
    AVAILABLE = True


@contextmanager
def locked(path: Path) -> Iterator[int | None]:
    """Open a file for this process alone, empty; None where another process had it and has finished or removed it.

    Waits for the other process. What is still called `path` at the end is removed: rename it before.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is decoding the same images: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        if not _same(handle, path):
            yield None
            return
        os.ftruncate(handle, 0)  # of a process that was killed
        try:
            yield handle
        finally:
            if _same(handle, path):
                path.unlink()
    finally:
        os.close(handle)


def remove_unused(path: Path) -> None:
    """Remove a file that no process works on: one that was killed left it behind."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _same(handle, path):
            path.unlink()
    except OSError:  # it is in use
        pass
    finally:
        os.close(handle)


def _same(handle: int, path: Path) -> bool:
    """Tell whether the path still names the open file."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False
