"""Writing a source as tar shards with an index, atomically: files byte for byte, arrays as PNG."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from convworks.data.column import Column, Files
from convworks.data.decode.decode import MODES, to_image
from convworks.data.decode.encoded import open_encoded
from convworks.data.decode.quiet import quiet
from convworks.data.decode.sizes import refuse_mismatched
from convworks.data.http.download import md5
from convworks.data.labels import has_label_sets
from convworks.data.location import read_bytes
from convworks.data.protect import protect
from convworks.data.shards.index import NAME, TARGET, Entry, columns_of, write_index
from convworks.data.shards.tar_index import PLAIN
from convworks.data.source import Source, Split
from convworks.data.sources.image_names import is_image
from convworks.errors import InputError
from convworks.files import atomic_folder, write_bytes
from convworks.outputs import check_new_folder

SIZE = 10**9  # bytes of a shard, the usual choice
HEADER = tarfile.BLOCKSIZE


def pack(
    source: Source, folder: Path, *, shard_size: int = SIZE, report: Callable[[int, int], None] | None = None
) -> Packed:
    """Write the samples of a source into a new or empty folder, as shards of at most `shard_size` bytes.

    A larger image becomes a shard of its own. Samples keep the order of the source, so that training on the shards sees
    the same images in the same order; the same source gives the same bytes. The folder appears complete or not at all.
    Raises InputError for masks of other sizes than their images, before anything is written.
    """
    spatial = next((split.targets.spatial for split in source.splits.values()), None)
    if not source.classes and spatial is None:
        raise InputError(source.where, "has images without labels", "sort them into one folder per class")
    if shard_size < 1:
        raise InputError("--shard-size", f"must be at least 1 byte, not {shard_size}", "1GB is usual")
    _check_folder(source, folder)
    for split in source.splits.values():  # before they become remote files, whose headers are not read
        refuse_mismatched(split)
    total = sum(map(len, source.splits.values()))
    try:
        with atomic_folder(folder) as temporary:
            writer = _Writer(
                temporary, source.classes, shard_size, lambda done: report(done, total) if report is not None else None
            )
            for name, split in source.splits.items():
                writer.add_split(name, split)
            write_bytes(temporary / NAME, write_index(source.name, source.classes, writer.entries, spatial))
            size = sum(path.stat().st_size for path in temporary.iterdir())
    except OSError as error:
        error.filename, error.filename2 = str(folder), None
        raise
    return Packed(folder=folder, index=folder / NAME, shards=len(writer.entries), images=total, bytes=size)


def _check_folder(source: Source, folder: Path) -> None:
    """Refuse a folder for the shards that is not empty, cannot be made, or lies in the source."""
    where = f"--pack {folder}"
    if folder.is_symlink():
        raise InputError(where, "is a link", "name a new folder")
    check_new_folder("--pack", folder, protect(source))
    if not folder.absolute().parent.is_dir():
        raise InputError(where, "its folder does not exist", "create the folder first")


def _encode(column: Column, index: int) -> tuple[str, bytes]:
    """Return the suffix and the bytes of an image; the bytes of a file are unchanged."""
    if isinstance(column, Files):
        location = column.files[index]
        content = read_bytes(location)
        return location.suffix.lower() if is_image(f"x{location.suffix}") else _suffix(content), content
    array = column.values[index]
    with io.BytesIO() as file:
        if array.shape[2] not in MODES:
            np.save(file, array, allow_pickle=False)
            return ".npy", file.getvalue()
        to_image(array).save(file, "PNG", compress_level=9)
        return ".png", file.getvalue()


def _target(split: Split, index: int, classes: Sequence[str]) -> tuple[int | list[int] | None, str, bytes]:
    """Return the label of an image for the index (None for a mask), and suffix and bytes of its target's file."""
    if split.targets.spatial is not None:
        suffix, content = _encode(split.targets, index)
        return None, f".{TARGET}{suffix}", content
    if not has_label_sets(split.labels):
        label = int(split.labels[index])
        return label, ".cls", str(label).encode()
    labels = np.flatnonzero(split.labels[index]).tolist()
    return labels, ".json", json.dumps({"labels": [classes[label] for label in labels]}).encode()


def _suffix(content: bytes) -> str:
    """Return a suffix that matches the content of a file, for tools that rely on it."""
    try:
        with quiet(), open_encoded(io.BytesIO(content)) as image:
            suffix = f".{(image.format or PLAIN).lower()}"
    except Exception:  # damaged: kept unchanged, and reported when it is decoded
        suffix = ""
    return suffix if is_image(f"x{suffix}") else f".{PLAIN}"


def _padded(size: int) -> int:
    return HEADER + -(-size // HEADER) * HEADER


def _whole(size: int) -> int:
    """Return the length of a tar with `size` bytes of members: two empty blocks end it, padded to a whole record."""
    return -(-(size + 2 * HEADER) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


class _Writer:
    """Writes one shard after another; `entries` are the completed ones."""

    def __init__(self, folder: Path, classes: Sequence[str], shard_size: int, report: Callable[[int], None]) -> None:
        self.folder, self.classes, self.shard_size, self.report = folder, classes, shard_size, report
        self.entries: list[Entry] = []
        self.done = 0

    def add_split(self, name: str, split: Split) -> None:
        """Write all samples of a split into its own shards."""
        start, number = 0, 0
        while start < len(split):
            start = self._shard(name, f"{name}-{number:06d}.tar", split, start)
            number += 1

    def _shard(self, part: str, url: str, split: Split, start: int) -> int:
        """Write samples from `start` on until the shard is full; return the index of the next sample."""
        columns: dict[str, list[Any]] = {column: [] for column in columns_of(split.targets.spatial)}
        path = self.folder / url
        with path.open("xb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for index in range(start, len(split)):
                suffix, content = _encode(split.inputs, index)
                label, target_suffix, target_content = _target(split, index, self.classes)
                size = tar.offset + _padded(len(content)) + _padded(len(target_content))
                if index > start and _whole(size) > self.shard_size:
                    break
                row = {"names": split.names[index], "labels": label}
                row |= _add(tar, f"{index:09d}{suffix}", content)
                target = _add(tar, f"{index:09d}{target_suffix}", target_content)
                row |= {f"{TARGET}_{column}": value for column, value in target.items()}
                for column, values in columns.items():
                    values.append(row[column])
                self.done += 1
                self.report(self.done)
            tar.close()
            _flush(file)
        count = len(columns["names"])
        length = path.stat().st_size
        self.entries.append(Entry(url=url, count=count, length=length, split=part, samples=columns, md5sum=md5(path)))
        return start + count


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> dict[str, Any]:
    """Add a file with metadata that do not depend on the machine; return the columns of the index that locate it."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    offset = tar.offset + HEADER
    tar.addfile(member, io.BytesIO(content))
    return {"members": name, "offsets": offset, "sizes": len(content), "crc32": zlib.crc32(content)}


@dataclass(frozen=True, kw_only=True)
class Packed:
    """The shards written: folder, index, and the numbers of shards, images and bytes."""

    folder: Path
    index: Path
    shards: int
    images: int
    bytes: int
