"""A listing: files, members of shards and rows of tables by index, where a list of objects would be too large."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from convworks.data.listing.names import Names
from convworks.data.location import Location, container
from convworks.data.protect import protect
from convworks.data.shards.byte_range import ByteRange, Shard
from convworks.data.source import Source
from convworks.outputs import Protected


@runtime_checkable
class Part(Protocol):
    """The files of one folder, shard or table."""

    def __len__(self) -> int:
        """Return their number."""

    def __getitem__(self, index: int) -> Location:
        """Return one of them."""

    def identity(self) -> str:
        """Return a text that differs where other files are listed."""

    def protected(self) -> Protected:
        """Return what must not be overwritten."""


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Files below a root; `searched` if all of the root was searched for them."""

    root: Path
    names: Names
    searched: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Path:
        return self.root / self.names[index]

    def identity(self) -> str:
        """Return root and names, sizes and times: no file is read."""
        return f"{self.root} {self.names.digest()} {stamps(Each(self))}"

    def protected(self) -> Protected:
        """Return the files, and the searched folders with all their subfolders.

        Outputs may lie beside a file that was named, or that matched a pattern.
        """
        inside = {name.rpartition("/")[0] for name in self.names} if self.searched else set()
        folders = sorted({self.root, *(self.root / folder for folder in inside)}) if self.searched else []
        return Protected(folders=tuple(folders), files=(Each(self),))


@dataclass(frozen=True, kw_only=True)
class Members:
    """Members of a shard: names, offsets, sizes and, where an index has them, CRC-32; the folder of all shards."""

    shard: Shard
    names: Names
    offsets: Int64[np.ndarray, " n"]
    sizes: Int64[np.ndarray, " n"]
    crc32: Int64[np.ndarray, " n"] | None = None
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> ByteRange:
        checksum = None if self.crc32 is None else int(self.crc32[index])
        return ByteRange(self.shard, int(self.offsets[index]), int(self.sizes[index]), self.names[index], checksum)

    def identity(self) -> str:
        """Return the shard with its length, the names of the members, and where they are."""
        where = hashlib.sha256(self.offsets.tobytes() + self.sizes.tobytes()).hexdigest()
        local = [self.shard.where] if isinstance(self.shard.where, Path) else []
        return f"{self.shard.where} {self.shard.length} {stamps(local)} {self.names.digest()} {where}"

    def protected(self) -> Protected:
        """Return the shard, and the folder of all shards."""
        local = [self.shard.where] if isinstance(self.shard.where, Path) else []
        return Protected(folders=() if self.folder is None else (self.folder,), files=(local,))


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The files that a table names or holds, or of any other source."""

    source: Source
    files: tuple[Location, ...]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Location:
        return self.files[index]

    def identity(self) -> str:
        """Return the source, and all files by name, sizes and times."""
        local = dict.fromkeys(where for where in map(container, self.files) if isinstance(where, Path))
        return f"{self.source.where} {Names.of(map(str, self.files)).digest()} {stamps(local)}"

    def protected(self) -> Protected:
        """Return the files and the table."""
        return protect(self.source)


@dataclass(frozen=True)
class Listing:
    """The files of all parts, end to end; of those that are listed twice, the first is `kept`."""

    parts: tuple[Part, ...]
    kept: Int64[np.ndarray, " m"] | None = None

    @cached_property
    def ends(self) -> Int64[np.ndarray, " parts"]:
        """The number of files up to the end of each part."""
        return np.cumsum([len(part) for part in self.parts], dtype=np.int64)

    def __len__(self) -> int:
        if self.kept is not None:
            return len(self.kept)
        return int(self.ends[-1]) if len(self.ends) else 0

    def __getitem__(self, index: int) -> Location:
        at = index if self.kept is None else int(self.kept[index])
        number = int(np.searchsorted(self.ends, at, side="right"))
        return self.parts[number][at - (int(self.ends[number - 1]) if number else 0)]

    def __iter__(self) -> Iterator[Location]:
        return map(self.__getitem__, range(len(self)))

    def identity(self) -> str:
        """Return a digest that differs where other files are listed, in another order, or files have changed."""
        digest = hashlib.sha256()
        for part in self.parts:
            digest.update(part.identity().encode("utf-8", "surrogatepass") + b"\0")
        if self.kept is not None:
            digest.update(self.kept.tobytes())
        return digest.hexdigest()

    def protected(self) -> Protected:
        """Return what must not be overwritten."""
        return sum((part.protected() for part in self.parts), Protected())

    def distinct(self) -> Listing:
        """Return the listing with each path once, the first time that it is listed."""
        hashes = np.fromiter((hash(str(file)) for file in self), np.int64, len(self))
        order = np.argsort(hashes, kind="stable")
        alike = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        again = [int(order[at + 1]) for at in alike if str(self[int(order[at])]) == str(self[int(order[at + 1])])]
        return self if not again else Listing(self.parts, np.delete(np.arange(len(self)), again))


@dataclass(frozen=True)
class Each:
    """The paths of a part, any number of times: none of them is kept in memory."""

    paths: Paths

    def __iter__(self) -> Iterator[Path]:
        return map(self.paths.__getitem__, range(len(self.paths)))


def stamps(paths: Iterable[Path]) -> str:
    """Return a digest of the sizes and times of files, which differs where one was changed."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            state = os.stat(path)
            digest.update(b"%d %d\n" % (state.st_size, state.st_mtime_ns))
        except OSError:  # it will have a row with the error
            digest.update(b"-\n")
    return digest.hexdigest()


def files_in(listing: Listing) -> Iterable[Path]:
    """Return the files of a listing that are files by themselves."""
    return (file for file in listing if isinstance(file, Path))
