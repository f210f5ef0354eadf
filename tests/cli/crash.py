"""The moments at which a process may be killed: before each change that it makes to the disk.

In this process a copy of a folder is kept of each moment (`Moments`), which is what a kill would leave: no code that
cleans up has run. `python crash.py N ...` is the command line that is killed, for good, before the Nth file gets its
name.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

NAMES = ("replace", "rename", "unlink", "remove", "rmdir", "mkdir", "fsync", "ftruncate", "truncate", "pwrite", "utime")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@contextmanager
def before_each_change(call: Callable[[str], None]) -> Iterator[None]:
    """Call a function with what is about to be done, before every change to the disk that this process makes."""

    def watched(function: Callable[..., Any], changes: Callable[..., bool]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **options: Any) -> Any:
            if changes(*arguments, **options):
                call(function.__name__)
            return function(*arguments, **options)

        return wrapper

    def always(*arguments: Any, **options: Any) -> bool:
        return True

    def flags_write(path: Any, flags: int, *arguments: Any, **options: Any) -> bool:
        return bool(flags & WRITING)

    def mode_writes(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> bool:
        return not isinstance(file, int) and bool(set(mode) & set("wax+"))

    with ExitStack() as stack:
        for name in NAMES:
            stack.enter_context(patch.object(os, name, watched(getattr(os, name), always)))
        stack.enter_context(patch.object(os, "open", watched(os.open, flags_write)))
        opened = watched(io.open, mode_writes)
        for module in (io, builtins):
            stack.enter_context(patch.object(module, "open", opened))
        yield


class Moments:
    """Copies of a folder before each change to it, those that differ from the one before; in their order."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder, self.store = folder, store
        self.copies: list[Path] = []
        self.busy = threading.RLock()
        self.copying = False
        self.last = ""

    @contextmanager
    def kept(self) -> Iterator[Moments]:
        """Keep the moments of what is done in this context, and the one at its end."""
        with before_each_change(self._keep):
            yield self
        self._keep()

    def _keep(self, change: str = "") -> None:
        with self.busy:
            if self.copying:  # these changes are the copy's own
                return
            self.copying = True
            try:
                if (state := fingerprint(self.folder)) != self.last:
                    self.last = state
                    self.copies.append(self.store / str(len(self.copies)))
                    shutil.copytree(self.folder, self.copies[-1], symlinks=True)
            finally:
                self.copying = False

    def restore(self, copy: Path) -> None:
        """Bring a moment back."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        shutil.copytree(copy, self.folder, symlinks=True, dirs_exist_ok=True)


def fingerprint(folder: Path) -> str:
    """Return a digest of all names and contents below a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found.update(str(path.relative_to(folder)).encode("utf-8", "surrogateescape") + b"\0")
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()


def main() -> None:
    """Run the command line, and be killed."""
    left = int(sys.argv[1])

    def die(change: str) -> None:
        nonlocal left
        left -= change in ("replace", "rename")
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    from convworks.cli.main import run

    with before_each_change(die):
        status = run(sys.argv[2:])
    sys.exit(status)


if __name__ == "__main__":
    main()
