"""Masks in which a class is ignored; nothing imports PyTorch."""

from __future__ import annotations

from dataclasses import replace

from convworks.data.column import Coding, Colours, Column, Files, Spatial
from convworks.data.source import Source, Split
from convworks.errors import InputError, nearest


def ignoring(source: Source, ignore: int | str | None, where: str = "") -> Source:
    """Return a source in whose masks one more class is ignored: by its name, or by the number that stands for it.

    With `where`, the name of a field, a class that no mask has raises InputError; else nothing is changed.
    """
    if ignore is None:
        return source
    coding = next((coding for split in source.splits.values() if (coding := coding_of(split)) is not None), None)
    if coding is None:
        if where:
            raise InputError(where, f"is for masks, but {source.name} has none that it numbers", "leave it out")
        return source
    named = str(ignore)
    value = (int(named),) if named.isascii() and named.isdigit() and len(named) < 10 else ()
    index = source.classes.index(named) if named in source.classes else None
    if index is None and value in coding.values:
        index = coding.values.index(value)
    if index is None:
        if where and value not in coding.ignored:
            reason = f"is {ignore}, but masks have {', '.join(source.classes)}"
            raise InputError(where, f"{reason}{nearest(named, source.classes)}", "name one of these, or leave it out")
        return source
    kept = [number for number in range(len(source.classes)) if number != index]
    values = tuple([coding.values[number] for number in kept])
    changed = Coding(values=values, ignored=(*coding.ignored, *filter(None, [coding.values[index]])))
    classes = tuple([source.classes[number] for number in kept])
    splits = {name: recoded(split, changed) for name, split in source.splits.items()}
    return replace(source, classes=classes, splits=splits)


def coding_of(split: Split) -> Coding | None:
    """Return how the classes of a split's masks are numbered, or None."""
    spatial = split.targets.spatial
    return None if spatial is None else spatial.coding


def colours_of(split: Split) -> Colours | None:
    """Return the colours by which a split's masks tell their classes; None where these are numbers, or lacking."""
    coding = coding_of(split)
    return None if coding is None else coding.colours


def recoded(split: Split, coding: Coding) -> Split:
    """Return a split whose masks are numbered otherwise."""
    return replace(split, targets=_with(split.targets, coding))


def _with(column: Column, coding: Coding) -> Column:
    assert isinstance(column, Files)
    spatial: Spatial = replace(column.spatial, coding=coding)
    return replace(column, spatial=spatial)
