"""The user's cache of decoded images: entries, size limit and eviction."""

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
from convworks.data.home import NoCacheError, cache_folder
from convworks.errors import InputError
from convworks.files import open_regular, read_text, write_text
from convworks.locks import AVAILABLE
from convworks.partial import TEMPORARY, remove_unused

LIMIT = "CONVWORKS_CACHE_LIMIT"
LARGEST = 50 * 10**9
SHARE = 10  # the default limit is this fraction of the free disk: 1 / 10
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
SUFFIX, KNOWN, DAMAGED = ".safetensors", ".known", ".damaged"
PAGE = 4096
LARGEST_HEADER = 2**20  # bytes
SUMS, SUM = "crc32", np.dtype("<u4")  # of each image
#: Reserve no memory for copies of pages: otherwise the system refuses a map larger than memory.
NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file of decoded images: shape n h w c, source, bytes on disk, last use (seconds since 1970).

    `mean` and `std` are those of each channel, of pixels in 0..1; `recipe` describes the processing of the files,
    `content` is the digest of their bytes. The images are followed by their checksums, which need no check if this
    process has just `written` the file.
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
    written: bool

    @property
    def name(self) -> str:
        """The name of the entry: a digest of its content."""
        return self.path.stem


def mapped(handle: int, entry: Entry) -> UInt8[np.ndarray, "n h w c"]:
    """Map the images of an entry's open file into memory, privately (copy on write)."""
    pages = mmap.mmap(handle, 0, flags=mmap.MAP_PRIVATE | NORESERVE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    return np.ndarray(entry.shape, dtype=np.uint8, buffer=pages, offset=entry.start)


def folder() -> Path:
    """Return the folder of the entries, which may not exist yet."""
    return cache_folder() / "decoded"


def limit() -> int:
    """Return the limit on the total size of all entries: $CONVWORKS_CACHE_LIMIT, else a tenth of the free disk.

    Raises InputError for an invalid limit, NoCacheError for a user without a home.
    """
    text = os.environ.get(LIMIT, "").strip()
    if not text:
        existing = next(path for path in (folder(), *folder().parents) if os.path.exists(path))
        free = shutil.disk_usage(existing).free
        for path in folder().glob(f"*{SUFFIX}"):
            with suppress(OSError):  # another process has removed it
                free += path.stat().st_size
        return min(LARGEST, free // SHARE)
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", text)
    if match is None or match[2].upper() not in UNITS:
        raise InputError(LIMIT, f"{text!r} is not a size", "write 20GB, 500MB, or 0 for no cache")
    return int(float(match[1]) * UNITS[match[2].upper()])


def in_use() -> bool:
    """Return whether decoded images are cached; a missing cache folder is reported once."""
    try:
        return AVAILABLE and limit() > 0
    except NoCacheError as error:
        _say_once(f"{error}; decoded images are not kept")
        return False


_say_once = cache(say)
_written: set[tuple[int, ...]] = set()  # versions of files


def entries() -> list[Entry]:
    """Return all intact entries, most recently used first."""
    opened = [open_entry(path.stem) for path in folder().glob(f"*{SUFFIX}")]
    return sorted((entry for entry in opened if entry), key=lambda entry: (-entry.used, entry.name))


def open_entry(name: str) -> Entry | None:
    """Return an entry after checking its header and size; a damaged one is removed, and counts as missing."""
    path = folder() / f"{name}{SUFFIX}"
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            start = 8 + int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(start, status.st_size, LARGEST_HEADER) - 8))
    except InputError:  # missing or unreadable
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
            written=_version(status) in _written,
            **facts,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        path.unlink(missing_ok=True)
        return None


def record_written(handle: int) -> None:
    """Record that this process wrote this open file, and has named it: its images are verified until it changes."""
    _written.add(_version(os.fstat(handle)))


def header(shape: tuple[int, ...], facts: Mapping[str, Any], *, length: int = PAGE) -> bytes:
    """Return the header of an entry: whole pages, at least `length` bytes.

    An entry is a safetensors file of two tensors: the images, followed by the CRC-32 of each.
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
    """Record that an entry is in use now."""
    with suppress(OSError):
        os.utime(entry.path)


def find_by_signature(signature: str) -> Entry | None:
    """Return the entry recorded for this signature (paths, sizes, times), or None."""
    try:
        name = read_text(folder() / f"{signature}{KNOWN}").strip()
    except InputError:
        return None
    return open_entry(name) if re.fullmatch("[0-9a-f]+", name) else None


def remember(signature: str, name: str) -> None:
    """Record the entry of the files with this signature."""
    with suppress(OSError):  # without the record, the files are only read once more
        write_text(folder() / f"{signature}{KNOWN}", name + "\n")


def make_room(size: int) -> bool:
    """Evict the least recently used entries until `size` more bytes fit; False if they never will."""
    budget = limit()
    if size > budget:
        return False
    sweep()
    remaining = entries()
    while remaining and sum(entry.bytes for entry in remaining) + size > budget:
        remove(remaining.pop())
    return True


def find(name: str | None) -> list[Entry]:
    """Return the only entry whose name starts with `name`; for None all entries.

    Raises InputError if no entry matches, or more than one does.
    """
    matches = entries()
    if name is None:
        return matches
    matches = [entry for entry in matches if name and entry.name.startswith(name)]
    if len(matches) != 1:
        reason = f"{len(matches)} entries match" if matches else "no cache entry matches"
        raise InputError(name or "cache", reason, "`convworks cache` lists them")
    return matches


def clear(name: str | None = None) -> list[Entry]:
    """Remove the entries that `find` returns, and return them."""
    removed = find(name)
    for entry in removed:
        remove(entry)
    if name is None:
        for note in folder().glob(f"*{DAMAGED}"):
            note.unlink(missing_ok=True)
    sweep()
    return removed


def sweep() -> None:
    """Remove temporary files of killed processes, and records of entries that no longer exist."""
    for path in folder().glob(f"*{TEMPORARY}"):
        remove_unused(path)
    names = {path.stem for path in folder().glob(f"*{SUFFIX}")}
    for path in folder().glob(f"*{KNOWN}"):
        with suppress(OSError, InputError):
            if read_text(path).strip() not in names:
                path.unlink()


def remove(entry: Entry) -> None:
    """Remove an entry; processes that have opened it keep its images."""
    with suppress(OSError):
        entry.path.unlink()


def _version(status: os.stat_result) -> tuple[int, ...]:
    """Identify a file and its content: any later change, also of its times, is another version."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _checksum(tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([tensors, facts], sort_keys=True).encode()).hexdigest()[:32]
