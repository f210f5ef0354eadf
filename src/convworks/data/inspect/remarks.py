"""Remarks on a source before it is used: files left out, and classes that its splits lack."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from convworks.data.config import Fold
from convworks.data.inspect.masks import lacking_in_masks, untrained
from convworks.data.source import Source, lacking_classes
from convworks.data.sources.left_out import line
from convworks.errors import counted

SHOWN = 5
#: Names of classes, as data sets give them, of pixels that nobody labelled.
VOID = re.compile(
    r"void|ignored?|un-?label+ed|not[ _-]label+ed|un-?defined|un-?classified|un-?annotated|don'?t[ _-]?care",
    re.IGNORECASE,
)
#: What may stand between labels, besides the semicolon.
SEPARATORS = re.compile(r"[\s,|/+]+")


def remarks(source: Source, fold: Fold | None = None) -> list[str]:
    """Return a line for the files left out, for columns not used, and for each split that lacks classes of train.

    A cross-validation fold may use some of the columns.
    """
    left_out = [line(source.where, source.left_out)] if source.left_out else []
    lacking = lacking_lines({**lacking_classes(source), **lacking_in_masks(source)})
    return [*left_out, *column_lines(source, fold), *untrained_lines(source), *lacking, *void_lines(source)]


def column_lines(source: Source, fold: Fold | None = None) -> list[str]:
    """Return a line for the columns of a table that are not used, for its column of folds, and for odd labels."""
    used = () if fold is None else (fold.group_by, fold.column)
    unused = [name for name in source.unused_columns if name not in used]
    lines = [f"columns not used: {', '.join(unused)}"] if unused else []
    if source.fold_column is not None and source.fold_column not in used:
        words = "are those of `convworks crossval`" if fold is None else "are not used, the folds are drawn anew"
        lines.append(f"column {source.fold_column}: its folds {words}")
    return lines + combined_lines(source)


def combined_lines(source: Source) -> list[str]:
    """Return a warning for a class whose name is made of those of others: labels separated by another character."""
    single = set(source.classes)
    for name in source.classes if source.multi_label else ():
        parts = SEPARATORS.split(name)
        if len(parts) > 1 and single.issuperset(parts):
            return [f"warning: {name!r} is one class; if it stands for several labels, write {';'.join(parts)}"]
    return []


def untrained_lines(source: Source) -> list[str]:
    """Return a warning for classes of a table that no mask of train shows."""
    names = untrained(source)
    return [f"warning: train has no pixel of {_classes(names)}, which cannot be learnt"] if names else []


def void_lines(source: Source) -> list[str]:
    """Return a hint for each class of masks whose name says that its pixels are of no class, but which counts."""
    return [
        f"class {name!r} counts as any other: --set {shlex.quote(f'data.ignore={name}')} leaves its pixels out"
        for name in (source.classes if source.masked else ())
        if VOID.fullmatch(name.strip())
    ]


def lacking_lines(lacking: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each split that lacks classes."""
    return [f"warning: {split} has no image of {_classes(names)}, which train has" for split, names in lacking.items()]


def _classes(names: Sequence[str]) -> str:
    """Name the first of some classes."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    kind = "class" if len(names) == 1 else counted(len(names), "class", "classes")
    return f"{kind} {', '.join(map(repr, names[:SHOWN]))}{more}"
