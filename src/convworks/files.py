"""Files: written whole or not at all (temporary name, flush, rename), and read with one line for what is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from convworks.errors import InputError
from convworks.locks import AVAILABLE
from convworks.partial import TEMPORARY, own_file, own_folder, remove_unused

LARGEST_TEXT = 256 * 2**20  # bytes: no text that convworks reads at once comes near it
DEEPEST = 64  # objects and lists in each other: no JSON that convworks writes comes near it


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open `path` for writing such that it appears whole, or not at all (whatever interrupts the writing)."""
    temporary = path
    try:
        temporary, handle = own_file(path)
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if AVAILABLE:  # while it is locked: nobody takes it over
                temporary.replace(path)
        if not AVAILABLE:
            temporary.replace(path)  # Windows renames no open file
    except BaseException as error:
        if temporary != path:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):  # a full disk names no file, other failures the temporary one
            error.filename, error.filename2 = str(path), None
        raise


def is_free(folder: Path) -> bool:
    """Tell whether a folder is not there, or has nothing in it but what killed processes were writing."""
    return not folder.is_dir() or all(path.name.endswith(TEMPORARY) for path in folder.iterdir())


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder that becomes `path`, which must be new or empty, when the context ends well.

    So `path` appears whole or not at all. Only where it is the root of a disk, or in a folder that nothing may be
    written to, its files appear in it one by one, at the end.
    """
    place = path.resolve()
    made = [folder for folder in place.parents if not folder.exists()]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        inside = place.is_dir() and (place.is_mount() or not os.access(place.parent, os.W_OK))
        with own_folder(place / place.name if inside else place) as temporary:
            try:
                yield temporary
            except OSError as error:  # it shall name the file that would have been
                if error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(temporary):
                    error.filename = str(path / Path(os.fsdecode(error.filename)).relative_to(temporary))
                raise
            if inside:
                for entry in list(temporary.iterdir()):
                    entry.replace(place / entry.name)
                return
            for path in place.glob(f"*{TEMPORARY}"):
                remove_unused(path)
            if os.name == "nt" and place.is_dir():
                place.rmdir()  # elsewhere an empty folder is replaced
            temporary.replace(place)
    except BaseException:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file atomically."""
    with atomic(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 file atomically."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN is refused because JSON has none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n")


@contextmanager
def open_regular(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unbuffered; InputError where it cannot be read.

    A pipe or a device is refused: reading one may never end.
    """
    try:
        # Without O_NONBLOCK, opening a pipe waits for somebody to write into it; a regular file does not care.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise unreadable(path, error) from None
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise InputError(path, f"is {what}, not a regular file", "name a file, or copy its content into one")
    with open(handle, "rb", buffering=0) as file:
        try:
            yield file
        except OSError as error:
            raise unreadable(path, error) from None


def read_bytes(path: Path, *, limit: int | None = None) -> bytes:
    """Return all bytes of a regular file; InputError where it cannot be read, or has more than `limit` bytes."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if limit is not None and size > limit:
            raise InputError(path, f"has {size:,} bytes, more than {limit:,}", "name another file")
        content: bytes = file.read()
    return content


def read_text(path: Path, *, limit: int = LARGEST_TEXT) -> str:
    """Return the text of a UTF-8 file, with or without a byte-order mark; InputError where it is none."""
    try:
        return read_bytes(path, limit=limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"is no UTF-8 text (byte {error.start} is 0x{error.object[error.start]:02x})"
        raise InputError(path, reason, "save it as UTF-8") from None


def read_json(path: Path, *, limit: int = LARGEST_TEXT) -> Any:
    """Return the value of a JSON file; InputError where it is none: damaged, too deep, or with NaN or Infinity."""
    text = read_text(path, limit=limit)
    try:
        value = json.loads(text, parse_constant=_refuse)
        if text.count("[") + text.count("{") > DEEPEST:
            _measure(value, DEEPEST)
    except RecursionError:
        raise InputError(path, "is no JSON that convworks wrote: it is nested too deeply", "restore the file") from None
    except ValueError as error:
        raise InputError(path, f"is no JSON ({error})", "restore the file") from None
    return value


def _measure(value: Any, left: int) -> None:
    """Raise RecursionError for a value with more objects and lists in each other than are left."""
    if isinstance(value, list | dict):
        if left == 0:
            raise RecursionError
        for each in value.values() if isinstance(value, dict) else value:
            _measure(each, left - 1)


def unreadable(path: object, error: OSError) -> InputError:
    """Return the error that says that a file cannot be read, and why."""
    return InputError(path, f"cannot be read ({error.strerror or error})", "check the file and its permissions")


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
