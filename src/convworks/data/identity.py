"""A digest of images that is independent of their location: a folder, a table or shards, at any path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from convworks.data.labels import label_texts, nfc
from convworks.data.source import Source, Split


def images_digest(source: Source, splits: Sequence[str]) -> str:
    """Return a checksum of file names, sizes (for arrays: pixels) and classes or masks of some splits, in any order."""
    return images_digests(source, {"": splits})[""]


def images_digests(source: Source, parts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the checksums of several parts of a source, each of some splits."""
    names = {name for part in parts.values() for name in part}
    lines = {name: _lines(source.splits[name], source.classes) for name in names}
    return {part: _digest(line for name in splits for line in lines[name]) for part, splits in parts.items()}


def _digest(lines: Iterable[str]) -> str:
    # Splits are sorted already, and sorting merges sorted runs in linear time.
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _lines(split: Split, classes: tuple[str, ...]) -> list[str]:
    """Return a line for each sample of a split, sorted."""
    targets: Sequence[int | str] = [""] * len(split)
    if split.targets.spatial is not None:
        targets = split.targets.contents()
    elif classes:
        targets = label_texts(split.labels, classes)
    names = [nfc(name.rpartition("/")[2]) for name in split.names]
    return sorted(map(repr, zip(targets, names, split.inputs.contents(), strict=True)))
