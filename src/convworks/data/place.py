"""Where the bytes of an image file are: a path, a stretch of a larger file, or a row of a table.

All three have `name` and `suffix`, and are shown as people would write them: shard.tar!00012.jpg.
"""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from convworks import files
from convworks.data.shards.byte_range import Stretch, read_stretch
from convworks.data.sources.row import Row, read_row

Place = Path | Stretch | Row


def read_bytes(place: Place) -> bytes:
    """Return all bytes of a file; InputError names the place that cannot be read, RunError the silent server."""
    if isinstance(place, Stretch):
        return read_stretch(place)
    if isinstance(place, Row):
        return read_row(place)
    return files.read_bytes(place)


def open_bytes(place: Place) -> AbstractContextManager[IO[bytes]]:
    """Open a file for reading: a path without reading all of it, the others from memory."""
    return files.open_regular(place, buffering=-1) if isinstance(place, Path) else io.BytesIO(read_bytes(place))


def container(place: Place) -> Path | str:
    """Return the file that holds it, or its address: a path itself, a shard, a table."""
    if isinstance(place, Stretch):
        return place.shard.where
    return place.table if isinstance(place, Row) else place


def byte_size(place: Place) -> int:
    """Return how many bytes a file has, without reading it (of a row: its share of the table); 0 for what is gone."""
    if not isinstance(place, Path):
        return place.size
    return place.stat().st_size if place.is_file() else 0
