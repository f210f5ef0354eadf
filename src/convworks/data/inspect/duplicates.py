"""Images with the same bytes: in two splits they bias an evaluation, in one the split that is held out of it.

Few files are read whole: files with a unique size are skipped, as are those with a unique tail.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain, groupby
from pathlib import Path

import numpy as np

from convworks.data.cache.memory import processors
from convworks.data.column import Arrays, Files
from convworks.data.location import Location, byte_size, read_bytes
from convworks.data.shards.byte_range import ByteRange
from convworks.data.source import Source, Split
from convworks.data.sources.row import Row
from convworks.errors import ConvworksError
from convworks.files import open_regular

END = 4096  # bytes: different images may share a header, but rarely their last bytes
PIECE = 256  # images per task
SHOWN = 3

Key = Callable[[Split, int], Hashable]


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """An image with the same bytes as one in an earlier split, or else as an earlier one of its own split.

    `relabelled` if no copy there has the same label.
    """

    split: str
    name: str
    first_split: str
    first_name: str
    relabelled: bool


def duplicates(source: Source) -> tuple[Duplicate, ...]:
    """Return the images of which an earlier one is a copy, in order; unreadable ones are left out."""
    splits = list(source.splits.items())
    starts = list(accumulate((len(split) for _, split in splits), initial=0))
    # Images are numbered over all splits, and each group of equal images is in that order.
    groups: list[Sequence[int]] = [range(starts[-1])] if starts[-1] else []
    for key in (_size, _end, _content):
        shared = [group for group in groups if len(group) > 1]
        groups = _group_by([split for _, split in splits], starts, list(chain.from_iterable(shared)), key)
    result: dict[int, Duplicate] = {}
    for group in groups:
        first = _split_index(starts, group[0])
        before: set[Hashable] = set()  # labels of the copies that an image is compared with
        for number, members in groupby(group, partial(_split_index, starts)):
            (name, split), labels = splits[number], set[Hashable]()
            for image in members:
                index = image - starts[number]
                label = split.labels[index].tobytes()
                if image != group[0]:
                    result[image] = Duplicate(
                        split=name,
                        name=split.names[index],
                        first_split=splits[first][0],
                        first_name=splits[first][1].names[group[0] - starts[first]],
                        relabelled=label not in (labels if number == first else before),
                    )
                labels.add(label)
            before |= labels
    return tuple([result[image] for image in sorted(result)])


def duplicate_lines(duplicates: Sequence[Duplicate]) -> list[str]:
    """Return a line for each split and pair of splits: how many images are there again, and some of their names."""
    lines = []
    for (split, first), count in Counter((each.split, each.first_split) for each in duplicates).items():
        shared = [each for each in duplicates if (each.split, each.first_split) == (split, first)]
        relabelled = sum(each.relabelled for each in shared)
        other = f" ({relabelled:,} with another label)" if relabelled else ""
        shown = ", ".join(f"{each.name} = {each.first_name}" for each in shared[:SHOWN])
        more = ", ..." if count > SHOWN else ""
        where = f"images of {split} that are in {first} too" if split != first else f"images that repeat one of {split}"
        lines.append(f"duplicates: {where}: {count:,}{other}: {shown}{more}")
    return lines


def _split_index(starts: Sequence[int], image: int) -> int:
    """Return the index of the split that contains an image."""
    return bisect_right(starts, image) - 1


def _group_by(splits: Sequence[Split], starts: Sequence[int], images: Sequence[int], key: Key) -> list[Sequence[int]]:
    """Group images by a key; unreadable ones, whose key is None, are left out."""

    def keys(piece: Sequence[int]) -> list[Hashable]:
        numbers = [_split_index(starts, image) for image in piece]
        return [key(splits[number], image - starts[number]) for number, image in zip(numbers, piece, strict=True)]

    pieces = [images[first : first + PIECE] for first in range(0, len(images), PIECE)]
    groups: dict[Hashable, list[int]] = {}
    with ThreadPoolExecutor(processors()) as pool:
        for piece, values in zip(pieces, pool.map(keys, pieces), strict=True):
            for image, value in zip(piece, values, strict=True):
                if value is not None:
                    groups.setdefault(value, []).append(image)
    return list(groups.values())


def _size(split: Split, index: int) -> Hashable:
    """Return the size of a file in bytes; 0 if that requires reading it, None for an empty file (not an image)."""
    location = _location(split, index)
    return 0 if location is None or isinstance(location, Row) else byte_size(location) or None


def _end(split: Split, index: int) -> Hashable:
    """Return a key of the size and tail of a file, or its checksum; 0 if that requires reading it."""
    location = _location(split, index)
    if isinstance(location, ByteRange):
        return location.size, location.crc32
    if not isinstance(location, Path):
        return 0
    try:
        with open_regular(location) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - END))
            return size, _digest(file.read(END))
    except ConvworksError:
        return None


def _content(split: Split, index: int) -> Hashable:
    """Return a key of the content of an image; for a remote one its checksum suffices."""
    location = _location(split, index)
    if isinstance(split.inputs, Arrays):
        return _digest(np.ascontiguousarray(split.inputs.values[index]).tobytes())
    assert location is not None
    if isinstance(location, ByteRange) and isinstance(location.shard.where, str) and location.crc32 is not None:
        return location.size, location.crc32
    try:
        return _digest(read_bytes(location))
    except ConvworksError:
        return None


def _location(split: Split, index: int) -> Location | None:
    return split.inputs.files[index] if isinstance(split.inputs, Files) else None


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
