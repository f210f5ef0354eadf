"""A digest of images that is independent of their location: a folder, a table or shards, at any path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from convworks.data.labels import label_text, nfc
from convworks.data.source import Source, Split


def images_digest(source: Source, splits: Iterable[str]) -> str:
    """Return a checksum of file names, sizes (for arrays: pixels) and classes or masks of some splits, in any order."""
    lines = sorted(line for name in splits for line in _lines(source.splits[name], source.classes))
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _lines(split: Split, classes: tuple[str, ...]) -> list[str]:
    targets: Sequence[int | str] = [""] * len(split)
    if split.targets.spatial is not None:
        targets = split.targets.contents()
    elif classes:
        targets = [label_text(split.labels, index, classes) for index in range(len(split))]
    names = (nfc(name.rpartition("/")[2]) for name in split.names)
    return list(map(repr, zip(targets, names, split.inputs.contents(), strict=True)))
