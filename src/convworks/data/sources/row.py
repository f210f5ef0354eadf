"""An image in a column of a table: a row of a Parquet row group or of an Arrow file."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convworks.errors import InputError
from convworks.files import check_regular, read_bytes

CACHE_SIZE = 1 << 29  # bytes of decompressed row groups kept for neighbouring rows
EXTRA = "pip install 'convworks[parquet]'"


def read_row(row: Row) -> bytes:
    """Return the bytes of an image in a table, or raise InputError; its row group is cached.

    A table written by `datasets` on this machine may hold the path of an image instead.
    """
    cell = _group(row)[row.number].as_py()
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    path = cell.get("path") if isinstance(cell, dict) else None
    if content is None and isinstance(path, str):
        try:
            return read_bytes(row.table.parent / path)
        except (InputError, ValueError) as error:
            reason = f"holds no image, only the path {path!r} ({getattr(error, 'reason', error)})"
            raise InputError(row, reason, "write the images into the table, or give their folder") from None
    if not isinstance(content, bytes):
        raise InputError(row, "holds no bytes of an image", "write the images into the table, or remove the row")
    return content


def arrow(path: Path) -> Any:
    """Return pyarrow with its Parquet module; raises InputError that names the extra if it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(path, "needs pyarrow, which is not installed", EXTRA) from None
    return pyarrow


def read_table(path: Path) -> Any:
    """Memory-map an Arrow file (stream or file format), as `datasets.save_to_disk` writes it."""
    pyarrow = arrow(path)
    check_regular(path)
    mapped = pyarrow.memory_map(os.fsencode(path))
    try:
        return pyarrow.ipc.open_stream(mapped).read_all()
    except pyarrow.ArrowInvalid:
        return pyarrow.ipc.open_file(mapped).read_all()


@contextmanager
def parquet_file(path: Path) -> Iterator[Any]:
    """Open a Parquet file of any name: pyarrow takes names as UTF-8 text or as bytes."""
    pyarrow = arrow(path)
    check_regular(path)
    with pyarrow.OSFile(os.fsencode(path)) as file, pyarrow.parquet.ParquetFile(file) as table:
        yield table


def _group(row: Row) -> Any:
    """Return a column of a row group, from the cache or the file."""
    pyarrow = arrow(row.table)
    try:
        key = (row.table, row.table.stat().st_mtime_ns, row.column, row.group)
        with _lock:
            if key not in _cached_groups:
                _cached_groups[key] = _read(row)
            _cached_groups.move_to_end(key)
            while len(_cached_groups) > 1 and sum(entry.nbytes for entry in _cached_groups.values()) > CACHE_SIZE:
                _cached_groups.popitem(last=False)
            return _cached_groups[key]
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(row, f"cannot be read ({str(error).splitlines()[0]})", "fetch the file again") from None


def _read(row: Row) -> Any:
    if row.group is None:
        return read_table(row.table).column(row.column)
    with parquet_file(row.table) as file:
        return file.read_row_group(row.group, columns=[row.column], use_threads=False).column(row.column)


@dataclass(frozen=True, slots=True)
class Row:
    """A cell of a table: file, column, row group (None for an Arrow file), index in it, and mean size in bytes."""

    table: Path
    column: str
    group: int | None
    number: int
    size: int
    member: str
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.table}!{self.member}"

    @property
    def name(self) -> str:
        """Return the name of the row in messages."""
        return self.member


_cached_groups: OrderedDict[tuple[Path, int, str, int | None], Any] = OrderedDict()
_lock = threading.Lock()
