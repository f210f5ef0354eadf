"""Damaged files of a source: detected before anything depends on the set of images, and left out on request."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import TypeAdapter

from convworks.console import counting
from convworks.data.cache import store as cache
from convworks.data.cache.cached import DECODER
from convworks.data.cache.signature import signature_of
from convworks.data.column import Column, Files, files_of
from convworks.data.config import DECODING, Decoding
from convworks.data.decode.decode import decode
from convworks.data.decode.load_files import Damage, each, summarise
from convworks.data.decode.numbers import read_numbers
from convworks.data.decode.sizes import mismatched
from convworks.data.formats import NUMPY
from convworks.data.labels import UNLABELLED, present
from convworks.data.location import Location, container, read_bytes
from convworks.data.source import Source, Split
from convworks.data.sources.image_names import heic_available
from convworks.errors import ConvworksError, InputError
from convworks.signed import Kind, read_signed, write_signed

FORMAT = 1
NOTE = Kind(
    name="a note of damaged files",
    formats=(FORMAT,),
    fields={"damaged": list},
    damaged="remove it with `convworks cache --clear`",
)
LEAST = (2, 2)  # JPEGs are decoded at an eighth of their size: all bytes are read, few pixels produced


@dataclass(frozen=True, kw_only=True)
class Usable:
    """A source without its damaged files, whose names are mapped to the reasons."""

    source: Source
    damaged: Mapping[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """Return a one-line summary of what is left out."""
        names = [*list(self.damaged)[:5], *(["..."] if len(self.damaged) > 5 else [])]
        return f"skipped {len(self.damaged)} damaged of {self.source.where}: {', '.join(names)}"


def leave_out(source: Source, limit: float | None, decoding: Decoding = DECODING) -> Usable:
    """Leave damaged files out of every split, if at most the fraction `limit` of all files is damaged.

    With None nothing is left out, and decoding raises. Raises InputError above the limit, and if a class would have no
    image left in a split. The result is recorded in the cache for other processes and runs.
    """
    if limit is None:
        return Usable(source=source)
    damages = {
        name: _damaged(name, split, decoding)
        for name, split in source.splits.items()
        if files_of(split.inputs) or files_of(split.targets)
    }
    count, total = sum(map(len, damages.values())), sum(len(source.splits[name]) for name in damages)
    if count == 0:
        return Usable(source=source)
    reasons = {
        source.splits[name].names[damage.index]: damage.reason for name, each in damages.items() for damage in each
    }
    if count > limit * total:
        first = next(iter(reasons))
        reason = f"{count} of {total} images are damaged ({first}: {reasons[first]}), more than {limit:.4g} of them"
        raise InputError(source.where, reason, "repair or remove them, or raise data.skip_damaged")
    splits = dict(source.splits)
    for name, damaged in damages.items():
        intact = np.setdiff1d(np.arange(len(splits[name])), [damage.index for damage in damaged])
        labels = splits[name].labels
        if lost := np.setdiff1d(present(labels), present(labels[intact])).tolist():
            whose = f"class {source.classes[lost[0]]!r}" if lost[0] != UNLABELLED else "no class"
            raise InputError(source.where, f"all images of {whose} in {name} are damaged", "repair or replace them")
        splits[name] = splits[name].select(intact)
    return Usable(source=replace(source, splits=splits), damaged=reasons)


def refuse(source: Source, decoding: Decoding = DECODING) -> None:
    """Raise one InputError that names all damaged files of all splits, for a source that is decoded on demand."""
    damages = [damage for name, split in source.splits.items() for damage in _damaged(name, split, decoding)]
    if damages:
        raise summarise(damages, sum(map(len, source.splits.values())))


def _readable(file: Location) -> bool:
    try:
        read_bytes(file)
    except ConvworksError:
        return False
    return True


def _damaged(name: str, split: Split, decoding: Decoding) -> list[Damage]:
    """Return the damaged files of a split, at most one for each sample."""
    columns = [(name, split.inputs), (f"masks of {name}", split.targets)]
    damages = [damage for name, column in columns for damage in _damaged_files(name, column, decoding)]
    damages += mismatched(split, decoding.max_pixels)
    first = {damage.index: damage for damage in reversed(damages)}
    return [first[index] for index in sorted(first)]


def _damaged_files(name: str, column: Column, decoding: Decoding) -> list[Damage]:
    """Return the damaged files of a column, from the cache or by decoding every file."""
    if not isinstance(column, Files):
        return []
    files = column.files

    def check(index: int) -> None:
        if column.spatial.nearest:
            numpy = files[index].suffix.lower() == NUMPY
            coding, content = column.spatial.coding, read_bytes(files[index])
            read_numbers(files[index], content, numpy=numpy, decoding=decoding, coding=coding)
        else:
            decode(files[index], channels=None, at_least=LEAST, decoding=decoding)

    local = not any(isinstance(container(file), str) for file in files)  # a remote file may be repaired
    numbers = f", numbers {column.spatial.coding!r}" if column.spatial.nearest else ""
    recipe = f"damaged, {decoding!r}, {DECODER}, HEIC {heic_available()}{numbers}"
    signature = signature_of(files, recipe) if local and cache.in_use() else None
    if signature is not None:
        note = cache.folder() / f"{signature}{cache.DAMAGED}"
        with suppress(InputError, ValueError, TypeError):  # without an intact note, the files are decoded
            return [TypeAdapter(Damage).validate_python(values) for values in read_signed(note, NOTE)["damaged"]]
    with counting(f"looking through {name}") as report:
        damages = each(check, len(files), report)
    # A file that could not be read may be readable next time, although nothing about it has changed.
    if signature is not None and all(_readable(files[damage.index]) for damage in damages):
        with suppress(OSError):  # without the note, the files are only checked once more
            note.parent.mkdir(parents=True, exist_ok=True)
            write_signed(note, {"format": FORMAT, "damaged": [vars(damage) for damage in damages]})
    return damages
