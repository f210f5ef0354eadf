"""Tars of named sets, unpacked into the user's cache: nothing is written into a folder of data."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path, PurePosixPath

from convworks.data.home import cache_folder
from convworks.data.shards.tar_members import tar_members
from convworks.errors import InputError
from convworks.files import atomic_folder, open_regular

PIECE = 1 << 20  # bytes


def folder() -> Path:
    """Return the folder of all that was unpacked, which may not exist yet."""
    return cache_folder() / "unpacked"


def unpacked(path: Path) -> Path:
    """Return the folder of the files of a tar, unpacked now or earlier: a tar that was changed is unpacked again.

    Raises InputError for a damaged tar, and for members outside of the folder.
    """
    state = path.stat()
    identity = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
    digest = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    target = folder() / f"{path.stem}-{digest}"
    if target.is_dir():
        return target
    try:
        with atomic_folder(target) as partial:
            _unpack(path, state.st_size, partial)
    except OSError:
        if not target.is_dir():  # another process has just unpacked it
            raise
    return target


def clear() -> int:
    """Remove all that was unpacked; return its size in bytes."""
    removed = sum(file.stat().st_size for file in folder().rglob("*") if file.is_file())
    shutil.rmtree(folder(), ignore_errors=True)
    return removed


def _unpack(path: Path, length: int, target: Path) -> None:
    with open_regular(path, buffering=-1) as file:
        members = [each for each in tar_members(path, file, length) if each.isfile()]
        for name, offset, size in ((each.name, each.offset_data, each.size) for each in members):
            inside = PurePosixPath(name)
            if inside.is_absolute() or ".." in inside.parts:
                raise InputError(f"{path}!{name}", "lies outside of the folder of the tar", "make the tar again")
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            file.seek(offset)
            with (target / inside).open("wb") as out:
                for first in range(0, size, PIECE):
                    out.write(file.read(min(PIECE, size - first)))
