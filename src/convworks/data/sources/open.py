"""Opening a source by name, path or URL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from convworks.data.http.address import is_address
from convworks.data.labels import SEPARATOR, nfc, renumber
from convworks.data.source import Report, Source
from convworks.errors import InputError
from convworks.files import path_of


def open_source(text: str | Path, *, report: Report | None = None, unpaired: bool = False) -> Source:
    """Open a source by name (`digits`, `mnist`, ...), path (its kind is detected) or URL, or raise InputError.

    A name takes precedence over a folder of that name in the working directory (write `./mnist` for the folder).
    `report` is called with the progress of a download. With `unpaired`, images without masks are listed in the source
    instead of being refused.
    """
    from convworks.data.sources import named

    if isinstance(text, str) and text in named.CATALOGUE:
        source = named.open_named(text, report=report)
    elif isinstance(text, str) and is_address(text):
        from convworks.data.shards import source as shards

        source = shards.open_address(text)
    else:
        from convworks.data.sources import kinds

        source = kinds.open_path(text)
    if source.unpaired and not unpaired:
        from convworks.data.sources.paired import without_mask

        raise without_mask(source.unpaired[0])
    source = _with_normalised_classes(source)
    for name in source.classes:
        if not name.isprintable():
            raise InputError(source.where, f"has a class whose name {name!r} is not printable", "rename it")
        if source.multi_label and SEPARATOR in name:
            reason = f"has a class {name!r}, but {SEPARATOR} stands between the classes of an image"
            raise InputError(source.where, reason, "rename it")
    return source


def _with_normalised_classes(source: Source) -> Source:
    """Merge classes whose names differ only by Unicode normalisation, under the NFC name."""
    names = [nfc(name) for name in source.classes]
    if names == list(source.classes):
        return source
    if source.spatial:
        return replace(source, classes=tuple(names))  # numbers in masks stay as they are
    classes = tuple(sorted(set(names)) if list(source.classes) == sorted(source.classes) else dict.fromkeys(names))
    numbers = [classes.index(name) for name in names]
    splits = {name: split.with_labels(renumber(split.labels, numbers)) for name, split in source.splits.items()}
    return replace(source, classes=classes, splits=splits)


def located(text: str) -> str:
    """Return a source specification valid in any working directory: an absolute path, or the name or URL itself."""
    from convworks.data.sources.named import CATALOGUE

    if text in CATALOGUE or is_address(text):
        return text
    return str(path_of(text).absolute())
