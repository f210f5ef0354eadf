"""Images that two splits share: the same bytes, so that measuring on one split says too much after training on another.

Few files are read whole: those of a size that occurs in one split alone are none of these, nor those with another end.
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
from convworks.data.location import Location, byte_size, read_bytes
from convworks.data.shards.byte_range import ByteRange
from convworks.data.source import Source, Split
from convworks.data.sources.row import Row
from convworks.errors import ConvworksError
from convworks.files import open_regular

END = 4096  # bytes: images that begin alike, with the same header, seldom end alike
PIECE = 256  # images a task
SHOWN = 3

Key = Callable[[Split, int], Hashable]


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """An image with the bytes of one in an earlier split; `relabelled` where no copy there has the same label."""

    split: str
    name: str
    first_split: str
    first_name: str
    relabelled: bool


def duplicates(source: Source) -> tuple[Duplicate, ...]:
    """Return the images of every split that earlier splits have too, in order; what cannot be read is left out."""
    splits = list(source.splits.items())
    starts = list(accumulate((len(split) for _, split in splits), initial=0))
    # Images are known by their number among those of all splits, and a group of equal ones is in that order.
    groups: list[Sequence[int]] = [range(starts[-1])] if starts[-1] else []
    for key in (_size, _end, _content):
        shared = [group for group in groups if _number(starts, group[0]) != _number(starts, group[-1])]
        groups = _alike([split for _, split in splits], starts, list(chain.from_iterable(shared)), key)
    found: dict[int, Duplicate] = {}
    for group in groups:
        first = _number(starts, group[0])
        before: set[Hashable] = set()  # labels in earlier splits
        for number, members in groupby(group, partial(_number, starts)):
            (name, split), places = splits[number], [image - starts[number] for image in members]
            labels = [split.labels[at].tobytes() for at in places]
            if number != first:
                for at, label in zip(places, labels, strict=True):
                    found[starts[number] + at] = Duplicate(
                        split=name,
                        name=split.names[at],
                        first_split=splits[first][0],
                        first_name=splits[first][1].names[group[0] - starts[first]],
                        relabelled=label not in before,
                    )
            before.update(labels)
    return tuple([found[image] for image in sorted(found)])


def duplicate_lines(found: Sequence[Duplicate]) -> list[str]:
    """Say for each two splits how many images they share, and name some."""
    told = []
    for (split, first), count in Counter((each.split, each.first_split) for each in found).items():
        here = [each for each in found if (each.split, each.first_split) == (split, first)]
        relabelled = sum(each.relabelled for each in here)
        other = f" ({relabelled:,} with another label)" if relabelled else ""
        shown = ", ".join(f"{each.name} = {each.first_name}" for each in here[:SHOWN])
        more = ", ..." if count > SHOWN else ""
        told.append(f"duplicates: images of {split} that are in {first} too: {count:,}{other}: {shown}{more}")
    return told


def _number(starts: Sequence[int], image: int) -> int:
    """Return the number of the split that an image is in."""
    return bisect_right(starts, image) - 1


def _alike(splits: Sequence[Split], starts: Sequence[int], images: Sequence[int], key: Key) -> list[Sequence[int]]:
    """Group images by a key; those without one, which cannot be read, are in no group."""

    def keys(piece: Sequence[int]) -> list[Hashable]:
        numbers = [_number(starts, image) for image in piece]
        return [key(splits[number], image - starts[number]) for number, image in zip(numbers, piece, strict=True)]

    pieces = [images[first : first + PIECE] for first in range(0, len(images), PIECE)]
    groups: dict[Hashable, list[int]] = {}
    with ThreadPoolExecutor(processors()) as pool:
        for piece, found in zip(pieces, pool.map(keys, pieces), strict=True):
            for image, value in zip(piece, found, strict=True):
                if value is not None:
                    groups.setdefault(value, []).append(image)
    return list(groups.values())


def _size(split: Split, at: int) -> Hashable:
    """Return how many bytes a file has; 0 where that takes reading it, None for an empty file, which is no image."""
    place = _place(split, at)
    return 0 if place is None or isinstance(place, Row) else byte_size(place) or None


def _end(split: Split, at: int) -> Hashable:
    """Return what the size and the end of a file are known by, or its checksum; 0 where that takes reading it."""
    place = _place(split, at)
    if isinstance(place, ByteRange):
        return place.size, place.crc32
    if not isinstance(place, Path):
        return 0
    try:
        with open_regular(place) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - END))
            return size, _digest(file.read(END))
    except ConvworksError:
        return None


def _content(split: Split, at: int) -> Hashable:
    """Return what the content of an image is known by; behind an address its checksum is enough."""
    place = _place(split, at)
    if place is None:
        assert split.arrays is not None
        return _digest(np.ascontiguousarray(split.arrays[at]).tobytes())
    if isinstance(place, ByteRange) and isinstance(place.shard.where, str) and place.crc32 is not None:
        return place.size, place.crc32
    try:
        return _digest(read_bytes(place))
    except ConvworksError:
        return None


def _place(split: Split, at: int) -> Location | None:
    return None if split.files is None else split.files[at]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
