"""Identifying a set of files without reading them: by paths, inodes, sizes and times."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from convworks.data.location import Location, byte_size, container
from convworks.data.shards.byte_range import ByteRange
from convworks.data.sources.row import Row


def signature_of(files: Sequence[Location], recipe: str, *, most_files: int = 0, most_bytes: int = 0) -> str | None:
    """Return a digest of path, inode, size and times of all files, and of the recipe for processing them.

    None if one cannot be read (decoding reports why), if there are fewer files and bytes than `most_files` and
    `most_bytes`, for remote files without checksums, and for rows of tables, which may be paths of other files.
    """
    for file in files:
        unverifiable = isinstance(file, ByteRange) and isinstance(file.shard.where, str) and file.crc32 is None
        if unverifiable or isinstance(file, Row):
            return None
    try:
        if len(files) < most_files and sum(map(byte_size, files)) < most_bytes:
            return None
        container_states = {path: state_of(path) for path in map(container, files)}
    except OSError:
        return None
    states = [(container_states[container(file)], None if isinstance(file, Path) else file) for file in files]
    return digest(repr((recipe, states)).encode("utf-8", "surrogateescape"))


def state_of(path: Path | str) -> tuple[str, int, int, int, int]:
    """Return path, size, inode, mtime and ctime.

    Copying a file over another may preserve its mtime (`cp -p`, rsync), but never its ctime. Remote files are
    identified by the checksums of their members alone.
    """
    if isinstance(path, str):
        return path, 0, 0, 0, 0
    status = os.stat(path)
    return os.path.abspath(path), status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def digest(content: bytes) -> str:
    """Return a digest of 32 hexadecimal characters, usable as a file name."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
