"""Where the bytes of an image file are: a path, a byte range of a larger file, or a row of a table.

All three have `name` and `suffix`, and a readable form as text: shard.tar!00012.jpg.
"""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from convworks import files
from convworks.data.shards.byte_range import ByteRange, read_byte_range
from convworks.data.sources.row import Row, read_row

Location = Path | ByteRange | Row


def read_bytes(location: Location) -> bytes:
    """Return all bytes of a file; raises InputError for an unreadable one, RunError for a server without response."""
    if isinstance(location, ByteRange):
        return read_byte_range(location)
    if isinstance(location, Row):
        return read_row(location)
    return files.read_bytes(location)


def open_bytes(location: Location) -> AbstractContextManager[IO[bytes]]:
    """Open a file for reading: a path directly, the others from memory."""
    return (
        files.open_regular(location, buffering=-1) if isinstance(location, Path) else io.BytesIO(read_bytes(location))
    )


def container(location: Location) -> Path | str:
    """Return the path or URL of the file that holds it: the path itself, a shard, or a table."""
    if isinstance(location, ByteRange):
        return location.shard.where
    return location.table if isinstance(location, Row) else location


def byte_size(location: Location) -> int:
    """Return the size of a file in bytes without reading it (of a row: the mean size); 0 for a missing file."""
    if not isinstance(location, Path):
        return location.size
    return location.stat().st_size if location.is_file() else 0
