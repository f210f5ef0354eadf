"""Sources whose targets are masks: their classes, from a table or from the masks themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convworks.console import counting
from convworks.data.column import IGNORED, Coding, Files, Spatial
from convworks.data.formats import NUMPY
from convworks.data.location import Location, read_bytes
from convworks.data.source import Source, Split, Unpaired
from convworks.data.sources.class_table import Value, read_classes
from convworks.data.sources.split_names import ALL, ORDER, TRAIN
from convworks.errors import InputError, counted

#: What lies outside of a mask is ignored.
STORED = Spatial(nearest=True, fill=IGNORED)
#: Masks with more values are photographs, or were smoothed.
MOST = 200
#: Binary masks, as many programs write them, and the mode of those of 1 bit in Pillow.
BINARY, ONE_BIT = {0, 255}, "1"
SHOWN = 5


class Pair(NamedTuple):
    """An image and its mask; `name` is that of the sample."""

    name: str
    image: Path
    mask: Path


def paired_source(
    root: Path,
    kind: str,
    splits: Mapping[str, Sequence[Pair]],
    table: Path | None,
    left_out: Mapping[str, str],
    unpaired: Sequence[Unpaired] = (),
) -> Source:
    """Return a source of pairs; its classes are those of the table, else the values in the masks of train.

    Raises InputError for a table that cannot be read, and for masks of which none can be.
    """
    columns = {name: Files(tuple([pair.mask for pair in splits[name]]), STORED) for name in ORDER if name in splits}
    classes = read_classes(table) if table is not None else _values(root, columns)
    if len(classes) > IGNORED:
        raise InputError(table or root, f"has {len(classes)} classes, at most {IGNORED} can be numbered", "join some")
    values = tuple(classes.values())
    ignored = () if (IGNORED,) in values or len(values[0]) > 1 else ((IGNORED,),)
    spatial = replace(STORED, coding=Coding(values=values, ignored=ignored))
    return Source(
        name=root.resolve().name if root.is_dir() else root.stem,
        kind=kind,
        path=root,
        classes=tuple(classes),
        splits={
            name: Split(
                names=tuple([pair.name for pair in splits[name]]),
                inputs=Files(tuple([pair.image for pair in splits[name]])),
                targets=replace(masks, spatial=spatial),
            )
            for name, masks in columns.items()
        },
        left_out=left_out,
        unpaired=tuple(unpaired),
    )


def _values(root: Path, columns: Mapping[str, Files]) -> dict[str, Value]:
    """Return the values in the masks of train (else of all splits) by their text; 255 only if all others are 0."""
    from convworks.data.decode.numbers import read_numbers  # what decodes is not imported for a wrong path
    from convworks.data.decode.tally import tally

    chosen = [columns[name] for name in (TRAIN, ALL) if name in columns][:1] or list(columns.values())
    with counting("looking through masks") as report:
        counts = np.concatenate([tally(masks, report=report) for masks in chosen])
    values = {int(value) for value in np.flatnonzero(counts.any(0))}
    if not values:  # no mask can be read: the first says why
        first = chosen[0].files[0]
        read_numbers(first, read_bytes(first), numpy=first.suffix.lower() == NUMPY)
    if len(values) > MOST:
        reason = f"has masks with {len(values)} different values"
        raise InputError(root, reason, "number the classes of their pixels, or name the values in classes.csv")
    if values == {*BINARY, 1}:
        _refuse_one_bit([file for masks in chosen for file in masks.files], counts)
    if not values <= BINARY:
        values -= {IGNORED}
    return {str(value): (value,) for value in sorted(values)}


def _refuse_one_bit(files: Sequence[Location], counts: np.ndarray) -> None:
    """Raise InputError for masks of 1 bit, whose white is 1, beside others whose white is 255."""
    from convworks.data.decode.decode import probe

    with_ones = [files[index] for index in np.flatnonzero(counts[:, 1]).tolist()]
    if all(probe(file).mode == ONE_BIT for file in with_ones):
        reason = "is black and white (1 bit), where white is the number 1, but in other masks 255"
        raise InputError(with_ones[0], reason, "save all of them with 8 bits")


def without_mask(unpaired: Unpaired) -> InputError:
    """Return the error for images without masks, some of which it names."""
    names, folder = unpaired.names, unpaired.folder
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    verb = "has" if len(names) == 1 else "have"
    reason = f"{len(names):,} of {counted(unpaired.images, 'image')} {verb} no mask: {', '.join(names[:SHOWN])}{more}"
    return InputError(folder, reason, f"add them to {folder}, with the names of their images, or remove the images")
