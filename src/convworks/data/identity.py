"""A digest of images that is independent of their location: a folder, a table or shards, at any path."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable

from convworks.data.labels import label_text, nfc
from convworks.data.location import byte_size
from convworks.data.source import Source, Split


def images_digest(source: Source, splits: Iterable[str]) -> str:
    """Return a checksum of the file names, sizes (for arrays: pixels) and classes of some splits, in any order."""
    lines = sorted(line for name in splits for line in _lines(source.splits[name], source.classes))
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _lines(split: Split, classes: tuple[str, ...]) -> list[str]:
    labelled = [label_text(split.labels, index, classes) if classes else "" for index in range(len(split))]
    if split.arrays is None:
        contents = list(map(byte_size, split.files or ()))
    else:
        contents = [zlib.crc32(image.tobytes()) for image in split.arrays]
    names = (nfc(name.rpartition("/")[2]) for name in split.names)
    return list(map(repr, zip(labelled, names, contents, strict=True)))
