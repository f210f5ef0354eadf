"""A temporary file locked by one process at a time; the system releases it however the process ends."""

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
    """Open an empty file for exclusive use; yield None if another process held it and has finished or removed it.

    Waits for the other process. A file still named `path` at the end is removed: rename it before.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        acquired = lock(handle)
        if acquired is None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK), str(path))
        if not acquired:
            say("waiting for another process that is decoding the same images")
            lock(handle, wait=True)
        if not same(handle, path):
            yield None
            return
        os.ftruncate(handle, 0)  # content left by a killed process
        try:
            yield handle
        finally:
            if same(handle, path):
                path.unlink()
    finally:
        os.close(handle)
