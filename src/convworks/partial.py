"""Partial files and folders, beside their final paths: NAME.convworks.partial.

Each is locked by the process that creates it. Those of a killed process are unlocked: the next process that creates a
file or folder of that name takes it over, and a cleanup may remove it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from convworks.locks import AVAILABLE, lock, same

TEMPORARY = ".partial"
MARK = f".convworks{TEMPORARY}"
LONGEST = 255  # bytes of a name, on almost every file system
#: Names in earlier versions: the final name and the process ID.
EARLIER = re.compile(
    r"(run\.json|experiment\.json|metrics\.jsonl|metrics\.csv|bundle|step-\d+\.(json|safetensors))\.\d+\.partial"
)
#: Links are not followed: they may lead to a user's file. A pipe is opened without waiting, and refused.
FLAGS = os.O_RDWR | sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"))


def is_partial(name: str) -> bool:
    """Return whether a name is that of a partial file of convworks, not of another program's `.partial`."""
    return name.endswith(MARK) or EARLIER.fullmatch(name) is not None


def _temporary(path: Path) -> Path:
    """Return the temporary path of `path`: its name and a suffix, or for a long name its digest and the suffix."""
    name = f"{path.name}{MARK}"
    if len(os.fsencode(name)) > LONGEST:
        import hashlib  # it loads OpenSSL, which `convworks --help` would wait for

        name = f"{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}{MARK}"
    return path.with_name(name)


def own_file(path: Path) -> tuple[Path, int]:
    """Open an empty file beside `path`, locked by this process; return its path and its handle."""
    temporary = _temporary(path)
    try:
        handle = os.open(temporary, FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
        if lock(handle) is not False and same(handle, temporary):
            return temporary, handle
        os.close(handle)  # another process locked it first
    except FileExistsError:
        with contextlib.suppress(OSError):  # in use, or something else of that name
            handle = os.open(temporary, FLAGS)
            if stat.S_ISREG(os.fstat(handle).st_mode) and lock(handle) and same(handle, temporary):
                os.ftruncate(handle, 0)
                return temporary, handle
            os.close(handle)
    other = path.with_name(f"{os.urandom(8).hex()}{MARK}")
    handle = os.open(other, FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
    lock(handle)
    return other, handle


@contextlib.contextmanager
def own_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, locked by this process; unless it is renamed, it is removed at the end."""
    temporary, handle = _claimed(_temporary(path))
    if temporary is None:
        temporary, handle = _claimed(path.with_name(f"{os.urandom(8).hex()}{MARK}"))
    assert temporary is not None  # the second name is unique
    try:
        for entry in list(temporary.iterdir()):  # content left by a killed process
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        yield temporary
    finally:
        if handle is None or same(handle, temporary):
            shutil.rmtree(temporary, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _claimed(folder: Path) -> tuple[Path | None, int | None]:
    """Create a folder, or take over an unlocked one; return it with the handle that holds its lock."""
    try:
        folder.mkdir()
        existed = False
    except FileExistsError:
        existed = True
    if not AVAILABLE:  # on Windows, folders cannot be opened
        return (None if existed else folder), None
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:
        return None, None
    acquired = lock(handle)
    if (acquired or (acquired is None and not existed)) and same(handle, folder):
        return folder, handle
    os.close(handle)
    return None, None


def remove_unused(path: Path) -> None:
    """Remove a partial file or folder that no process has locked."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        try:
            if lock(handle) and same(handle, path):
                shutil.rmtree(path) if stat.S_ISDIR(os.fstat(handle).st_mode) else path.unlink()
        finally:
            os.close(handle)
