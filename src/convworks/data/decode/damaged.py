"""Damaged files of a source: found before anything depends on which images there are, and left out if asked for."""

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
from convworks.data.config import DECODING, Decoding
from convworks.data.decode.decode import decode
from convworks.data.decode.load_files import Damage, each, summarise
from convworks.data.labels import present
from convworks.data.place import Place, container, read_bytes
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
LEAST = (2, 2)  # JPEGs are looked through at an eighth of their size: all their bytes are read, few pixels made


@dataclass(frozen=True, kw_only=True)
class Usable:
    """A source without its damaged files, and the names of these, each with what is wrong."""

    source: Source
    damaged: Mapping[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """Say in one line what is left out."""
        names = [*list(self.damaged)[:5], *(["..."] if len(self.damaged) > 5 else [])]
        return f"left out {len(self.damaged)} damaged of {self.source.where}: {', '.join(names)}"


def leave_out(source: Source, share: float | None, decoding: Decoding = DECODING) -> Usable:
    """Leave damaged files out of every split, where at most this share of all files is damaged.

    None leaves nothing out: whoever decodes refuses them. Raises InputError above the share, and where a split or a
    class of train would have no image left. What was found is noted in the cache, for other processes and runs.
    """
    if share is None:
        return Usable(source=source)
    found = {name: _damaged(name, split, decoding) for name, split in source.splits.items() if split.files is not None}
    count, total = sum(map(len, found.values())), sum(len(source.splits[name]) for name in found)
    if count == 0:
        return Usable(source=source)
    names = {source.splits[name].names[damage.index]: damage.reason for name, each in found.items() for damage in each}
    if count > share * total:
        first = next(iter(names))
        reason = f"{count} of {total} images are damaged ({first}: {names[first]}), more than {share:.4g} of them"
        raise InputError(source.where, reason, "repair or remove them, or raise data.skip_damaged")
    splits = dict(source.splits)
    for name, damages in found.items():
        kept = np.setdiff1d(np.arange(len(splits[name])), [damage.index for damage in damages])
        labels = splits[name].labels
        if lost := np.setdiff1d(present(labels), present(labels[kept])).tolist():
            whose = f"class {source.classes[lost[0]]!r}" if source.classes else "no class"
            raise InputError(source.where, f"all images of {whose} in {name} are damaged", "repair or replace them")
        splits[name] = splits[name].select(kept)
    return Usable(source=replace(source, splits=splits), damaged=names)


def refuse(source: Source, decoding: Decoding = DECODING) -> None:
    """Raise one InputError that names all damaged files of all splits, for a set that is decoded when it is wanted."""
    found = [damage for name, split in source.splits.items() for damage in _damaged(name, split, decoding)]
    if found:
        raise summarise(found, sum(map(len, source.splits.values())))


def _readable(place: Place) -> bool:
    try:
        read_bytes(place)
    except ConvworksError:
        return False
    return True


def _damaged(name: str, split: Split, decoding: Decoding) -> list[Damage]:
    """Look through all files of a split, or remember what was found before."""
    files = split.files or ()

    def look(index: int) -> None:
        decode(files[index], channels=None, at_least=LEAST, decoding=decoding)

    local = not any(isinstance(container(file), str) for file in files)  # what is behind an address may be repaired
    noted = local and cache.in_use()
    how = f"damaged, {decoding!r}, {DECODER}, HEIC {heic_available()}"
    signature = signature_of(files, how) if noted else None
    if signature is not None:
        note = cache.folder() / f"{signature}{cache.DAMAGED}"
        with suppress(InputError, ValueError, TypeError):  # without a note, or with a damaged one, they are looked at
            return [TypeAdapter(Damage).validate_python(values) for values in read_signed(note, NOTE)["damaged"]]
    with counting(f"looking through {name}") as report:
        found = each(look, len(files), report)
    # What could not be read may be readable the next time, though nothing about the file has changed.
    if signature is not None and all(_readable(files[damage.index]) for damage in found):
        with suppress(OSError):  # without the note the files are looked through once more, no harm done
            note.parent.mkdir(parents=True, exist_ok=True)
            write_signed(note, {"format": FORMAT, "damaged": [vars(damage) for damage in found]})
    return found
