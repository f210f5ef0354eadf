"""A temporary file that one process at a time works on; the system lets go of it however a process ends."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convworks.console import say
from convworks.locks import lock, same


@contextmanager
def locked(path: Path) -> Iterator[int | None]:
    """Open a file for this process alone, empty; None where another process had it and has finished or removed it.

    Waits for the other process. What is still called `path` at the end is removed: rename it before.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        free = lock(handle)
        if free is None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK), str(path))
        if not free:
            say("another process is decoding the same images: waiting for it")
            lock(handle, wait=True)
        if not same(handle, path):
            yield None
            return
        os.ftruncate(handle, 0)  # of a process that was killed
        try:
            yield handle
        finally:
            if same(handle, path):
                path.unlink()
    finally:
        os.close(handle)
