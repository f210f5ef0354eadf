"""A digest of images that is independent of their location: a folder, a table or shards, at any path."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence

from convworks.data.column import files_of
from convworks.data.labels import label_texts, nfc
from convworks.data.location import container, read_bytes
from convworks.data.source import Source, Split

#: Samples of a split that `sketch` keeps.
KEPT = 128
#: Hexadecimal digits of the checksum of a sample: among a million, none is taken for another of a sketch.
DIGITS = 12


def images_digest(source: Source, splits: Sequence[str]) -> str:
    """Return a checksum of file names, sizes (for arrays: pixels) and classes or masks of some splits, in any order."""
    return images_digests(source, {"": splits})[""]


def images_digests(source: Source, parts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the checksums of several parts of a source, each of some splits."""
    names = {name for part in parts.values() for name in part}
    lines = {name: sorted(_lines(source.splits[name], source.classes)) for name in names}
    return {part: _digest(line for name in splits for line in lines[name]) for part, splits in parts.items()}


def sketch(source: Source, split: str) -> dict[str, int]:
    """Return the checksums of some samples of a split: the lowest of their lines, with that of the file's bytes."""
    samples = source.splits[split]
    files = files_of(samples.inputs)
    if any(isinstance(container(file), str) for file in files):
        return {}  # to read them would be to download them again
    lowest = sorted(_keyed(samples, source.classes))[:KEPT]
    return {key: zlib.crc32(read_bytes(files[index])) if files else 0 for key, index in lowest}


def share_of(sketch: Mapping[str, int], source: Source, split: str) -> float:
    """Return which share of a split is among the samples of a sketch: an estimate, where it does not hold them all.

    Files are compared byte by byte: in many data sets, each split has a file `0001.bmp` of the same size.
    """
    samples = source.splits[split]
    keyed = _keyed(samples, source.classes)
    if len(sketch) >= KEPT:  # it tells of the lines up to its last
        last = max(sketch)
        keyed = [(key, index) for key, index in keyed if key <= last]
    files = files_of(samples.inputs)
    both = [(key, index) for key, index in keyed if key in sketch]
    same = sum(not files or zlib.crc32(read_bytes(files[index])) == sketch[key] for key, index in both)
    return same / len(keyed) if keyed else 0.0


def _keyed(split: Split, classes: tuple[str, ...]) -> list[tuple[str, int]]:
    """Return a checksum of the line of each sample, with its index."""
    return [(_checksum(line)[:DIGITS], index) for index, line in enumerate(_lines(split, classes))]


def _digest(lines: Iterable[str]) -> str:
    # Splits are sorted already, and sorting merges sorted runs in linear time.
    return _checksum("\n".join(sorted(lines)))[:16]


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _lines(split: Split, classes: tuple[str, ...]) -> list[str]:
    """Return a line for each sample of a split."""
    targets: Sequence[int | str] = [""] * len(split)
    if split.targets.spatial is not None:
        targets = split.targets.contents()
    elif classes:
        targets = label_texts(split.labels, classes)
    names = [nfc(name.rpartition("/")[2]) for name in split.names]
    return list(map(repr, zip(targets, names, split.inputs.contents(), strict=True)))
