"""CSV: images anywhere, labels in one column or in a column for each class, splits in an optional further column."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from convworks.csv_files import read_csv
from convworks.data.labels import Labels, all_names, cut, number
from convworks.data.source import Source, Split
from convworks.data.sources.split_names import ALL, ORDER, split_of
from convworks.data.sources.walk import spelt
from convworks.errors import InputError, nearest

PATH, SPLIT, LABEL, LABELS = "path", "split", "label", "labels"
SHOWN = 5
#: What a cell of a class's own column may hold, as people and pandas write it.
ANSWERS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}

Rows = list[tuple[int, dict[str, str]]]


def open_table(path: Path) -> Source:
    """Open a CSV file with a header: path, the labels and, if wanted, split (train, val, test and the like).

    A column `label` holds one class an image; a column `labels` any number of them, separated by semicolons; without
    either, every further column is a class, 1 where an image shows it, else 0.
    """
    rows = _read(path)
    if not rows:
        raise InputError(path, "has a header but no rows", "add one row an image: path,label")
    places = _find_files(path, rows)
    classes, labels = _labels(path, rows)
    listed: dict[str, list[int]] = {}
    for at, (line, row) in enumerate(rows):
        split = split_of(row[SPLIT]) if SPLIT in row else ALL
        if split is None:
            reason = f"has the split {row[SPLIT]!r}, which is none of train, val and test"
            raise InputError(f"{path} line {line}", reason, "call it so, or remove the line")
        listed.setdefault(split, []).append(at)
    splits = {}
    for split in ORDER:
        if split in listed:
            order = sorted(listed[split], key=lambda at: rows[at][1][PATH])
            chosen = tuple([rows[at][1][PATH] for at in order])
            files = tuple([places[at] for at in order])
            splits[split] = Split(labels=labels[np.array(order)], names=chosen, files=files)
    return Source(name=path.stem, kind="csv", path=path, classes=classes, splits=splits)


def _labels(path: Path, rows: Rows) -> tuple[tuple[str, ...], Labels]:
    """Return the classes and the labels of all rows."""
    header = rows[0][1]
    if LABEL in header or LABELS in header:
        found = [row[LABEL] if LABEL in row else cut(row[LABELS]) for _, row in rows]
        classes = tuple(sorted(all_names(found)))
        numbers = {name: at for at, name in enumerate(classes)}
        if not classes:
            raise InputError(path, "names no class in its column labels", "write them as cat;dog")
        chosen = [numbers[each] if isinstance(each, str) else [numbers[name] for name in each] for each in found]
        return classes, number(chosen, len(classes))
    classes = tuple(name for name in header if name not in (PATH, SPLIT))
    labels = np.zeros((len(rows), len(classes)), dtype=bool)
    for at, (line, row) in enumerate(rows):
        for label, name in enumerate(classes):
            if row[name].lower() not in ANSWERS:
                reason = f"has {row[name]!r} in column {name!r}, neither 0 nor 1"
                remedy = "write 0 or 1; a table with other columns names the classes in one, labels, as cat;dog"
                raise InputError(f"{path} line {line}", reason, remedy)
            labels[at, label] = ANSWERS[row[name].lower()]
    return classes, labels


def column(path: Path, name: str) -> dict[str, str]:
    """Return the value of a further column for each path of the table; InputError where it is missing or empty."""
    values = {}
    for line, row in _read(path):
        if name.strip().lower() not in row:
            raise InputError(path, f"has no column {name!r}{nearest(name, row)}", f"it has: {', '.join(row)}")
        values[row[PATH]] = row[name.strip().lower()]
        if not values[row[PATH]]:
            raise InputError(f"{path} line {line}", f"has no {name}", "fill it in, or remove the line")
    return values


def _find_files(path: Path, rows: Rows) -> list[Path]:
    """Return the file of each row as the disk spells it.

    Raises InputError where one does not exist, or comes twice, in whatever spelling or by whatever link.
    """
    missing: list[str] = []
    places: list[Path] = []
    seen: dict[tuple[int, int] | str, tuple[int, str]] = {}
    for line, row in rows:
        place = spelt(path.parent / row[PATH])
        if place is None:
            missing.append(row[PATH])
            continue
        places.append(place)
        try:
            status = os.stat(place)
        except OSError:  # a link that leads nowhere is a damaged file, as in folders
            continue
        identity = (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(place)
        before, name = seen.setdefault(identity, (line, row[PATH]))
        if before != line:
            reason = f"names {row[PATH]} again, after line {before}" + (f" as {name}" if name != row[PATH] else "")
            raise InputError(f"{path} line {line}", reason, "keep one of the two lines")
    if missing:
        names = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else "")
        reason = f"names {len(missing)} of {len(rows)} files that do not exist: {names}"
        raise InputError(path, reason, f"give paths relative to {path.parent.resolve()}")
    return places


def _read(path: Path) -> Rows:
    """Read the rows with their line numbers; path and label are never empty.

    Names of columns are in small letters, but for those that are classes. Backslashes in paths are slashes, unless
    there is a file whose name has them.
    """
    names, lines = read_csv(path, PATH, skipinitialspace=True)
    columns = _columns(path, names)
    if len(set(columns)) < len(columns):
        shown = ", ".join(columns)
        raise InputError(path, f"names a column twice in its header ({shown})", "keep one of them")
    rows: Rows = []
    for line, cells in lines:
        if len(cells) > len(columns):
            remedy = "quote fields that hold what parts them"
            raise InputError(f"{path} line {line}", "has more fields than the header", remedy)
        if len(cells) < len(columns) and LABELS in columns[len(cells) :]:  # nothing between two commas is no label
            raise InputError(
                f"{path} line {line}",
                "has fewer fields than the header",
                "end it with a comma where the image shows none",
            )
        row = dict(zip(columns, [*map(str.strip, cells), *[""] * (len(columns) - len(cells))], strict=True))
        for name in (PATH, LABEL, SPLIT):
            if name in row and not row[name]:
                raise InputError(f"{path} line {line}", f"has no {name}", "fill it in, or remove the line")
        exact = cells[columns.index(PATH)]
        if exact != row[PATH] and os.path.lexists(path.parent / exact):
            row[PATH] = exact  # a file whose name begins or ends with a space
        if "\\" in row[PATH] and not os.path.lexists(path.parent / row[PATH]):
            row[PATH] = row[PATH].replace("\\", "/")
        rows.append((line, row))
    return rows


def _columns(path: Path, given: list[str]) -> list[str]:
    """Return the names of the columns, or raise InputError where path or labels are missing."""
    columns = [name.lower() for name in given]
    shown = ", ".join(columns) or "empty"
    if LABEL in columns and LABELS in columns:
        raise InputError(path, f"has both label and labels in its header ({shown})", "keep one of them")
    class_columns = LABEL not in columns and LABELS not in columns
    others = [name for name in columns if name not in (PATH, SPLIT)]
    if PATH not in columns or (class_columns and len(others) < 2):
        name = LABEL if PATH in columns else PATH
        reason = f"has no column {name!r} in its header ({shown}){nearest(name, columns)}"
        raise InputError(path, reason, "its first line must be path,label or path,labels, or path and a column a class")
    if not class_columns:
        return columns
    return [low if low in (PATH, SPLIT) else name for low, name in zip(columns, given, strict=True)]
