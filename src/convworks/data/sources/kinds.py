"""Detecting the kind of data set at a path from file names and first bytes."""

from __future__ import annotations

from pathlib import Path

from convworks.data.formats import HEIC, SUFFIXES
from convworks.data.shards import source as shards
from convworks.data.shards.names import TAR
from convworks.data.source import Source
from convworks.data.sources import cifar, folder, idx, ilsvrc, named, pair_table, pairs, parquet, table
from convworks.errors import InputError, nearest
from convworks.files import expand

ARCHIVES = (".tgz", ".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".rar")


def open_path(text: str | Path) -> Source:
    """Open the data set at a path, of any kind, or raise InputError."""
    remedy = f"give a folder, a .csv or .parquet file or one of {', '.join(named.CATALOGUE)}"
    if not str(text).strip():
        raise InputError("--data", "is empty", remedy)
    text = expand(str(text))
    path = Path(text)
    try:
        path.stat()
    except FileNotFoundError:
        if shards.is_pattern(path):
            return shards.open_pattern(path)
        reason = f"is neither a known name nor an existing path{nearest(text, named.CATALOGUE)}"
        raise InputError(text, reason, remedy) from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise InputError(text, f"cannot be read ({cause})", "check the path and its permissions") from None
    if path.is_dir():
        if idx.recognise(path):
            return idx.open_folder(path)
        if ilsvrc.recognise(path):
            return ilsvrc.open_folder(path)
        if shards.recognise(path):
            return shards.open_folder(path)
        if parquet.recognise(path):
            return parquet.open_folder(path)
        if cifar.recognise(path):
            return cifar.open_folder(path)
        return pairs.open_folder(path) if pairs.recognise(path) else folder.open_folder(path)
    name = path.name.lower()
    if name.endswith((".csv", ".tsv")):
        return pair_table.open_table(path) if pair_table.recognise(path) else table.open_table(path)
    if name.endswith(".json"):
        return shards.open_index(path)
    if name.endswith(parquet.SUFFIX):
        return parquet.open_file(path)
    if name.endswith(TAR):
        return shards.open_pattern(path)
    if cifar.is_archive(path):
        return cifar.open_archive(path)
    if "-ubyte" in name:
        raise InputError(path, "is one IDX file of several", f"give its folder: {path.parent}")
    if name.endswith(ARCHIVES):
        raise InputError(path, "is an archive", "unpack it first and give the folder")
    if name.endswith(SUFFIXES + HEIC):
        raise InputError(path, "is a single image, not a data set", "give the folder of class folders")
    raise InputError(path, "is not a data set that convworks can read", remedy)
