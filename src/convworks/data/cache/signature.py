"""What a set of files is known by without reading them: their paths, inodes, sizes and times."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from convworks.data.location import Location, byte_size, container
from convworks.data.shards.byte_range import ByteRange
from convworks.data.sources.row import Row


def signature_of(files: Sequence[Location], recipe: str, *, most_files: int = 0, most_bytes: int = 0) -> str | None:
    """Return a digest of path, inode, size and times of all files, and of what is done to them.

    None where one cannot be read (who decodes it says why), for fewer files and bytes than `most_...`, and for what is
    behind an address without checksums, and for rows of tables, which may be the paths of other files.
    """
    for file in files:
        unknown = isinstance(file, ByteRange) and isinstance(file.shard.where, str) and file.crc32 is None
        if unknown or isinstance(file, Row):
            return None
    try:
        if len(files) < most_files and sum(map(byte_size, files)) < most_bytes:
            return None
        holders = {holder: state_of(holder) for holder in map(container, files)}
    except OSError:
        return None
    facts = [(holders[container(file)], None if isinstance(file, Path) else file) for file in files]
    return digest(repr((recipe, facts)).encode("utf-8", "surrogateescape"))


def state_of(holder: Path | str) -> tuple[str, int, int, int, int]:
    """Return path, size, inode, and times of modification and change.

    Whoever copies a file over another may set its modification time (`cp -p`, rsync), but never the time of change.
    What is behind an address is known by its members' checksums alone.
    """
    if isinstance(holder, str):
        return holder, 0, 0, 0, 0
    state = os.stat(holder)
    return os.path.abspath(holder), state.st_size, state.st_ino, state.st_mtime_ns, state.st_ctime_ns


def digest(content: bytes) -> str:
    """Return a digest as a name of 32 letters."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
