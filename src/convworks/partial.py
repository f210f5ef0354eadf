"""Files and folders before they get their names, beside their places: NAME.convworks.partial.

Each is locked by the process that makes it. What a killed process leaves is nobody's: the next that makes a file or a
folder of that name takes it over, and whoever cleans up may remove it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from convworks.locks import AVAILABLE, lock, same

TEMPORARY = ".partial"
MARK = f".convworks{TEMPORARY}"
LONGEST = 255  # bytes of a name, on nearly every disk
#: What earlier versions called theirs: the name, and the number of the process.
EARLIER = re.compile(
    r"(run\.json|experiment\.json|metrics\.jsonl|metrics\.csv|bundle|step-\d+\.(json|safetensors))\.\d+\.partial"
)
#: No link is followed: it may lead to a file that is somebody's. A pipe is opened without waiting, and refused.
FLAGS = os.O_RDWR | sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"))


def is_partial(name: str) -> bool:
    """Tell whether convworks gives such a name to what is not whole yet; other programs' `.partial` is somebody's."""
    return name.endswith(MARK) or EARLIER.fullmatch(name) is not None


def _known(path: Path) -> Path:
    """Return what `path` is called before it is whole: its name and a mark, or of a long name a digest."""
    name = f"{path.name}{MARK}"
    if len(os.fsencode(name)) > LONGEST:
        name = f"{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}{MARK}"
    return path.with_name(name)


def own_file(path: Path) -> tuple[Path, int]:
    """Open an empty file beside `path` that is this process's alone; return its path and its handle."""
    known = _known(path)
    try:
        handle = os.open(known, FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
        if lock(handle) is not False and same(handle, known):
            return known, handle
        os.close(handle)  # another process was quicker to lock it
    except FileExistsError:
        with contextlib.suppress(OSError):  # it is in use, or something else of that name
            handle = os.open(known, FLAGS)
            if stat.S_ISREG(os.fstat(handle).st_mode) and lock(handle) and same(handle, known):
                os.ftruncate(handle, 0)
                return known, handle
            os.close(handle)
    other = path.with_name(f"{os.urandom(8).hex()}{MARK}")
    handle = os.open(other, FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
    lock(handle)
    return other, handle


@contextlib.contextmanager
def own_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path` that is this process's alone; unless it is renamed, it is removed again."""
    temporary, handle = _claimed(_known(path))
    if temporary is None:
        temporary, handle = _claimed(path.with_name(f"{os.urandom(8).hex()}{MARK}"))
    assert temporary is not None  # nobody else knows the second name
    try:
        for entry in list(temporary.iterdir()):  # of a process that was killed
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        yield temporary
    finally:
        if handle is None or same(handle, temporary):
            shutil.rmtree(temporary, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _claimed(folder: Path) -> tuple[Path | None, int | None]:
    """Make a folder, or take over one that nobody works in; return it with a handle that holds its lock."""
    try:
        folder.mkdir()
        old = False
    except FileExistsError:
        old = True
    if not AVAILABLE:  # on Windows, which opens no folders
        return (None if old else folder), None
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:
        return None, None
    taken = lock(handle)
    if (taken or (taken is None and not old)) and same(handle, folder):
        return folder, handle
    os.close(handle)
    return None, None


def remove_unused(path: Path) -> None:
    """Remove a partial file or folder that no process works on."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        try:
            if lock(handle) and same(handle, path):
                shutil.rmtree(path) if stat.S_ISDIR(os.fstat(handle).st_mode) else path.unlink()
        finally:
            os.close(handle)
