"""Tars of named sets, unpacked into the user's cache: nothing is written into a folder of data."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from convworks.data.home import cache_folder
from convworks.data.shards.tar_members import tar_members
from convworks.errors import InputError, RunError
from convworks.files import atomic_folder, open_regular, remedy, unreadable

PIECE = 1 << 20  # bytes
AGAIN = "make the tar again"


def folder() -> Path:
    """Return the folder of all that was unpacked, which may not exist yet."""
    return cache_folder() / "unpacked"


def unpacked(path: Path) -> Path:
    """Return the folder of the files of a tar, unpacked now or earlier: a tar that was changed is unpacked again.

    Raises InputError for a damaged tar, for members outside of the folder, and for what is no file; RunError if the
    cache cannot be written.
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
    """Unpack files; a hard link becomes the file that came before it. Other links, and devices, are refused."""
    with open_regular(path, buffering=-1) as file:
        for member in list(tar_members(path, file, length)):
            if member.isdir():
                continue
            where = f"{path}!{member.name}"
            inside = _inside(where, target, member.name)
            before = _inside(where, target, member.linkname) if member.islnk() else None
            if before is not None and not before.is_file():
                raise InputError(where, f"is a link to {member.linkname}, which is not before it", AGAIN)
            if before is None and not member.isfile():
                kind = f"a link to {member.linkname}" if member.issym() else "a pipe or a device"
                raise InputError(where, f"is {kind}, not a file", "pack files (tar --dereference), or leave it out")
            with _into_cache():
                inside.parent.mkdir(parents=True, exist_ok=True)
                if before is not None:
                    shutil.copyfile(before, inside)
                    continue
                with inside.open("wb") as out:
                    for piece in _pieces(path, file, member.offset_data, member.size):
                        out.write(piece)


def _pieces(path: Path, file: IO[bytes], offset: int, size: int) -> Iterator[bytes]:
    """Yield the bytes of a member; raises InputError if they cannot be read."""
    try:
        file.seek(offset)
        for first in range(0, size, PIECE):
            yield file.read(min(PIECE, size - first))
    except OSError as error:
        raise unreadable(path, error) from None


@contextmanager
def _into_cache() -> Iterator[None]:
    """Let errors of writing be those of the cache, not of the tar."""
    try:
        yield
    except OSError as error:
        fix = f"{remedy(error).partition(', or')[0]}, or name another cache in XDG_CACHE_HOME"
        raise RunError(folder(), f"cannot be written ({error.strerror})", fix) from None


def _inside(where: str, target: Path, name: str) -> Path:
    """Return the path of a member; raises InputError for one outside of the folder."""
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts:
        raise InputError(where, "lies outside of the folder of the tar", AGAIN)
    return target / inside
