"""The user's cache of decoded images: entries, how much room they may take, and which have to go."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import re
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from convworks.console import say
from convworks.data.sources.named import NoCacheError, cache_folder
from convworks.errors import InputError
from convworks.files import open_regular, read_text, write_text
from convworks.locks import AVAILABLE
from convworks.partial import TEMPORARY, remove_unused

LIMIT = "CONVWORKS_CACHE_LIMIT"
LARGEST = 50 * 10**9
SHARE = 10  # of the disk: one part in so many
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
SUFFIX, KNOWN, DAMAGED = ".safetensors", ".known", ".damaged"
PAGE = 4096
LARGEST_HEADER = 2**20  # bytes
SUMS, SUM = "crc32", np.dtype("<u4")  # of each image
#: No memory set aside for copies of pages: otherwise the system refuses a map that is larger than the memory.
NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file of decoded images: shape n h w c, where they come from, bytes on the disk, last use (seconds since 1970).

    `mean` and `std` of each channel, of pixels in 0..1; `recipe` says what was done to the files, `content` is the
    digest of their bytes. Behind the images lie their checksums.
    """

    path: Path
    shape: tuple[int, int, int, int]
    source: str
    recipe: str
    content: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    start: int
    bytes: int
    used: float

    @property
    def name(self) -> str:
        """What the entry is called by: a digest of its content."""
        return self.path.stem


def mapped(handle: int, entry: Entry) -> UInt8[np.ndarray, "n h w c"]:
    """Map the images of an entry's open file into memory; who writes to them changes his own copy alone."""
    pages = mmap.mmap(handle, 0, flags=mmap.MAP_PRIVATE | NORESERVE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    return np.ndarray(entry.shape, dtype=np.uint8, buffer=pages, offset=entry.start)


def folder() -> Path:
    """Return where the entries lie; it may not exist yet."""
    return cache_folder() / "decoded"


def limit() -> int:
    """Return how many bytes all entries may take: $CONVWORKS_CACHE_LIMIT, else a tenth of the free disk.

    Raises InputError for a limit that is no number of bytes, NoCacheError for a user without a home.
    """
    text = os.environ.get(LIMIT, "").strip()
    if not text:
        place = next(path for path in (folder(), *folder().parents) if os.path.exists(path))
        free = shutil.disk_usage(place).free
        for path in folder().glob(f"*{SUFFIX}"):
            with suppress(OSError):  # another process has removed it
                free += path.stat().st_size
        return min(LARGEST, free // SHARE)
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", text)
    if found is None or found[2].upper() not in UNITS:
        raise InputError(LIMIT, f"{text!r} is no number of bytes", "write 20GB, 500MB, or 0 for no cache")
    return int(float(found[1]) * UNITS[found[2].upper()])


def in_use() -> bool:
    """Tell whether decoded images are kept; where nobody knows where, that is said once."""
    try:
        return AVAILABLE and limit() > 0
    except NoCacheError as error:
        _say_once(f"{error}; decoded images are not kept")
        return False


_say_once = cache(say)


def entries() -> list[Entry]:
    """Return all whole entries, the last used first."""
    found = [open_entry(path.stem) for path in folder().glob(f"*{SUFFIX}")]
    return sorted((entry for entry in found if entry), key=lambda entry: (-entry.used, entry.name))


def open_entry(name: str) -> Entry | None:
    """Return an entry after a look at its header and its size; a damaged one is removed, and counts as missing."""
    path = folder() / f"{name}{SUFFIX}"
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            start = 8 + int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(start, status.st_size, LARGEST_HEADER) - 8))
    except InputError:  # it is not there, or cannot be read
        return None
    except (ValueError, RecursionError):
        path.unlink(missing_ok=True)
        return None
    try:
        facts = {key: json.loads(value) for key, value in header.pop("__metadata__").items()}
        n, height, width, channels = header["images"]["shape"]
        size = start + n * (height * width * channels + SUM.itemsize)
        if status.st_size != size or facts.pop("checksum") != _checksum(header, facts):
            raise ValueError
        facts = {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
        return Entry(
            path=path,
            shape=(n, height, width, channels),
            start=start,
            bytes=size,
            used=status.st_mtime,
            **facts,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        path.unlink(missing_ok=True)
        return None


def header(shape: tuple[int, ...], facts: Mapping[str, Any], *, length: int = PAGE) -> bytes:
    """Return the beginning of an entry: whole pages, at least `length` bytes.

    An entry is a safetensors file of two tensors: the images, and the CRC-32 of each behind them.
    """
    size = int(np.prod(shape, dtype=np.int64))
    tensors = {
        "images": {"dtype": "U8", "shape": list(shape), "data_offsets": [0, size]},
        SUMS: {"dtype": "U32", "shape": [shape[0]], "data_offsets": [size, size + SUM.itemsize * shape[0]]},
    }
    metadata = {**facts, "checksum": _checksum(tensors, facts)}
    text = json.dumps({"__metadata__": {key: json.dumps(value) for key, value in metadata.items()}, **tensors})
    room = max(length, -(-(8 + len(text.encode())) // PAGE) * PAGE) - 8
    return room.to_bytes(8, "little") + text.encode().ljust(room)


def touch(entry: Entry) -> None:
    """Note that an entry is used now."""
    with suppress(OSError):
        os.utime(entry.path)


def known(signature: str) -> Entry | None:
    """Return the entry that these very files (paths, sizes, times) were found to be before."""
    try:
        name = read_text(folder() / f"{signature}{KNOWN}").strip()
    except InputError:
        return None
    return open_entry(name) if re.fullmatch("[0-9a-f]+", name) else None


def remember(signature: str, name: str) -> None:
    """Note which entry the files of a signature are."""
    with suppress(OSError):  # without the note the files are read once more, no harm done
        write_text(folder() / f"{signature}{KNOWN}", name + "\n")


def make_room(size: int) -> bool:
    """Remove the entries least recently used until `size` more bytes fit; False where they never will."""
    most = limit()
    if size > most:
        return False
    sweep()
    there = entries()
    while there and sum(entry.bytes for entry in there) + size > most:
        remove(there.pop())
    return True


def find(name: str | None) -> list[Entry]:
    """Return the one entry whose name is this or begins so; for None all.

    Raises InputError where no entry, or more than one, is called so.
    """
    there = entries()
    if name is None:
        return there
    there = [entry for entry in there if name and entry.name.startswith(name)]
    if len(there) != 1:
        reason = f"{len(there)} entries are called so" if there else "no entry of the cache is called so"
        raise InputError(name or "cache", reason, "`convworks cache` lists them")
    return there


def clear(name: str | None = None) -> list[Entry]:
    """Remove what `find` returns, return it."""
    found = find(name)
    for entry in found:
        remove(entry)
    if name is None:
        for note in folder().glob(f"*{DAMAGED}"):
            note.unlink(missing_ok=True)
    sweep()
    return found


def sweep() -> None:
    """Remove what processes that were killed left behind, and notes of entries that are gone."""
    for path in folder().glob(f"*{TEMPORARY}"):
        remove_unused(path)
    names = {path.stem for path in folder().glob(f"*{SUFFIX}")}
    for path in folder().glob(f"*{KNOWN}"):
        with suppress(OSError, InputError):
            if read_text(path).strip() not in names:
                path.unlink()


def remove(entry: Entry) -> None:
    """Remove an entry; who has opened it keeps its images."""
    with suppress(OSError):
        entry.path.unlink()


def _checksum(tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([tensors, facts], sort_keys=True).encode()).hexdigest()[:32]
