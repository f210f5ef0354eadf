"""Columns of a table that divide its rows: into splits, by name or by 0 and 1, or into folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from convworks.data.sources.split_names import ALL, ORDER, TEST, TRAIN, VALIDATION, split_of
from convworks.errors import InputError

#: Columns whose cells name a split.
NAMED = ("split", "subset", "partition")
#: Columns of 0 and 1, by the split of the rows with 1. Other rows are train, unless a column of train says otherwise;
#: `train` alone is none of them: it is a class of common data sets.
FLAGS: Mapping[str, str] = {
    **{f"{prefix}{word}": VALIDATION for prefix in ("", "is_") for word in ("val", "valid", "validation")},
    **{f"{prefix}test": TEST for prefix in ("", "is_")},
    **dict.fromkeys(("is_train", "is_training"), TRAIN),
}
#: The column of cross-validation folds; where its cells name splits, it is one of `NAMED`.
FOLD = "fold"
DIVIDING = (*NAMED, *FLAGS, FOLD)
#: Values of a cell that is 0 or 1, as people and pandas write them.
ANSWERS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}

Rows = Sequence[tuple[int, Mapping[str, str]]]


@dataclass(frozen=True, kw_only=True)
class Divided:
    """The split of each row; the columns that say so; and the column of folds, if there is one."""

    splits: list[str]
    columns: tuple[str, ...]
    fold: str | None


def divide_rows(path: Path, rows: Rows, unit: str = "line") -> Divided:
    """Return the split of each row of a table, ALL if no column names splits; its rows are numbered by `unit`.

    Raises InputError for cells that name no split, and for several columns that might contradict each other.
    """
    header = rows[0][1]
    named = [name for name in NAMED if name in header]
    flags = [name for name in FLAGS if name in header]
    fold = FOLD if FOLD in header else None
    if fold is not None and _folds_name_splits(path, rows, unit):
        named, fold = [*named, fold], None
    if len(named) > 1 or (named and flags):
        columns = " and ".join([*named, *flags])
        raise InputError(path, f"names splits in several columns, {columns}", "keep one of them")
    if named:
        splits = [_named(f"{path} {unit} {line}", row[named[0]]) for line, row in rows]
    else:
        splits = [_flagged(f"{path} {unit} {line}", row, flags) for line, row in rows]
    return Divided(splits=splits, columns=(*named, *flags), fold=fold)


def _folds_name_splits(path: Path, rows: Rows, unit: str) -> bool:
    """Return whether the column of folds names the split of each row; InputError if only of some."""
    named = [split_of(row[FOLD]) is not None for _, row in rows]
    if any(named) and not all(named):
        (line, row), (other, fold) = rows[named.index(True)], rows[named.index(False)]
        reason = f"has {row[FOLD]!r} in column {FOLD!r}, but {unit} {other} has {fold[FOLD]!r}: a split beside a fold"
        raise InputError(f"{path} {unit} {line}", reason, "write the splits in a column split, or leave one kind out")
    return all(named)


def _named(where: str, cell: str) -> str:
    split = split_of(cell)
    if split is None:
        reason = f"has the split {cell!r}, which is none of train, val and test"
        raise InputError(where, reason, "call it so, or remove the line")
    return split


def _flagged(where: str, row: Mapping[str, str], flags: Sequence[str]) -> str:
    """Return the split of a row by its columns of 0 and 1; ALL without any."""
    if not flags:
        return ALL
    wrong = next((name for name in flags if row[name].lower() not in ANSWERS), None)
    if wrong is not None:
        reason = f"has {row[wrong]!r} in column {wrong!r}, neither 0 nor 1"
        raise InputError(where, reason, "write 1 for the rows of that split, 0 for the others")
    splits = {FLAGS[name] for name in flags if ANSWERS[row[name].lower()]}
    if len(splits) > 1:
        both = " and in ".join(split for split in ORDER if split in splits)
        raise InputError(where, f"is in {both} at once", "write 0 in one of the columns")
    if not splits and TRAIN in map(FLAGS.__getitem__, flags):
        reason = f"has 0 in {' and '.join(flags)}, so it is in no split"
        raise InputError(where, reason, "write 1 in one column: is_train, is_valid or is_test")
    return next(iter(splits), TRAIN)
