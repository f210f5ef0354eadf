"""CSV tables: image paths, labels in one column or one column per class, and optional columns of splits and folds."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from convworks.csv_files import read_csv
from convworks.data.column import Arrays, Files
from convworks.data.labels import Labels, all_names, number, split_names
from convworks.data.source import Source, Split
from convworks.data.sources.split_columns import ANSWERS, DIVIDING, NAMED, divide_rows
from convworks.data.sources.split_names import ORDER
from convworks.data.sources.walk import path_on_disk
from convworks.errors import InputError, nearest

PATH, LABEL, LABELS = "path", "label", "labels"
SHOWN = 5
REMEDY = "its first line must be path,label or path,labels, path and a column a class, or image,mask"

Rows = list[tuple[int, dict[str, str]]]


def open_table(path: Path) -> Source:
    """Open a CSV file with a header: path, labels and, optionally, splits or folds (split_columns.py).

    A column `label` holds one class per image; a column `labels` any number of them, separated by semicolons; without
    either, every other column is a class, with 1 for images that show it and 0 for the rest.
    """
    rows = _read(path)
    if not rows:
        raise InputError(path, "has a header but no rows", "add one row per image: path,label")
    paths = find_files(path, rows)
    classes, labels = _labels(path, rows)
    divided = divide_rows(path, rows)
    indices: dict[str, list[int]] = {}
    for index, split in enumerate(divided.splits):
        indices.setdefault(split, []).append(index)
    splits = {}
    for split in ORDER:
        if split in indices:
            order = sorted(indices[split], key=lambda index: rows[index][1][PATH])
            names = tuple([rows[index][1][PATH] for index in order])
            files = tuple([paths[index] for index in order])
            splits[split] = Split(names=names, inputs=Files(files), targets=Arrays(labels[np.array(order)]))
    used = {PATH, *divided.columns, divided.fold, *((LABEL, LABELS) if _has_labels(rows[0][1]) else rows[0][1])}
    return Source(
        name=path.stem,
        kind="csv",
        path=path,
        classes=classes,
        splits=splits,
        split_columns=divided.columns,
        fold_column=divided.fold,
        unused_columns=tuple([name for name in rows[0][1] if name not in used]),
    )


def _has_labels(header: Iterable[str]) -> bool:
    """Return whether a column holds the labels; otherwise every column of no other use is a class."""
    return LABEL in header or LABELS in header


def _labels(path: Path, rows: Rows) -> tuple[tuple[str, ...], Labels]:
    """Return the classes and the labels of all rows."""
    header = rows[0][1]
    if _has_labels(header):
        names = [row[LABEL] if LABEL in row else split_names(row[LABELS]) for _, row in rows]
        classes = tuple(sorted(all_names(names)))
        positions = {name: index for index, name in enumerate(classes)}
        if not classes:
            raise InputError(path, "names no class in its column labels", "write them as cat;dog")
        numbers = [positions[each] if isinstance(each, str) else [positions[name] for name in each] for each in names]
        return classes, number(numbers, len(classes))
    classes = tuple(name for name in header if name not in (PATH, *DIVIDING))
    if "" in classes:
        reason = "has a column without a name in its header, where each further column is a class"
        raise InputError(path, reason, "name it, or remove it (in pandas: to_csv(..., index=False))")
    labels = np.zeros((len(rows), len(classes)), dtype=bool)
    for index, (line, row) in enumerate(rows):
        for label, name in enumerate(classes):
            if row[name].lower() not in ANSWERS:
                reason = f"has {row[name]!r} in column {name!r}, neither 0 nor 1"
                remedy = "write 0 or 1; a table with other columns names the classes in one, labels, as cat;dog"
                raise InputError(f"{path} line {line}", reason, remedy)
            labels[index, label] = ANSWERS[row[name].lower()]
    return classes, labels


def column(path: Path, name: str) -> dict[str, str]:
    """Map each path of the table to its value in another column; raises InputError if that is missing or empty."""
    return values_by(path, _read(path), PATH, name)


def values_by(path: Path, rows: Rows, key: str, name: str) -> dict[str, str]:
    """Map the value of each row in one column to that in another; InputError if that is missing or empty."""
    values = {}
    for line, row in rows:
        if name.strip().lower() not in row:
            raise InputError(path, f"has no column {name!r}{nearest(name, row)}", f"it has: {', '.join(row)}")
        values[row[key]] = row[name.strip().lower()]
        if not values[row[key]]:
            raise InputError(f"{path} line {line}", f"has no {name}", "fill it in, or remove the line")
    return values


def path_in(folder: Path, cell: str) -> str:
    """Return the path in a cell, without spaces around it and with slashes, unless a file has them in its name."""
    text = cell.strip()
    if cell != text and os.path.lexists(folder / cell):
        text = cell
    if "\\" in text and not os.path.lexists(folder / text):
        text = text.replace("\\", "/")
    return text


def find_files(path: Path, rows: Rows, column: str = PATH) -> list[Path]:
    """Return the file that a column names in each row, spelled as on disk.

    Raises InputError for a file that does not exist, or occurs twice, in any spelling or through any link.
    """
    missing: list[str] = []
    paths: list[Path] = []
    seen: dict[tuple[int, int] | str, tuple[int, str]] = {}
    for line, row in rows:
        file = path_on_disk(path.parent / row[column])
        if file is None:
            missing.append(row[column])
            continue
        paths.append(file)
        try:
            status = os.stat(file)
        except OSError:  # a broken link counts as a damaged file, as in folders
            continue
        identity = (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(file)
        before, name = seen.setdefault(identity, (line, row[column]))
        if before != line:
            reason = f"names {row[column]} again, after line {before}" + (f" as {name}" if name != row[column] else "")
            raise InputError(f"{path} line {line}", reason, "keep one of the two lines")
    if missing:
        names = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else "")
        reason = f"names {len(missing)} of {len(rows)} files that do not exist: {names}"
        raise InputError(path, reason, f"give paths relative to {path.parent.resolve()}")
    return paths


def _read(path: Path) -> Rows:
    """Read the rows with their line numbers; path and label are never empty.

    Column names are in lower case, except those of classes. Backslashes in paths become slashes, unless a file has
    them in its name.
    """
    names, lines = read_csv(path, PATH, skipinitialspace=True)
    columns = _columns(path, names)
    if len(set(columns)) < len(columns):
        shown = ", ".join(columns)
        raise InputError(path, f"names a column twice in its header ({shown})", "keep one of them")
    rows: Rows = []
    for line, cells in lines:
        if len(cells) > len(columns):
            remedy = "quote fields that contain the separator"
            raise InputError(f"{path} line {line}", "has more fields than the header", remedy)
        if len(cells) < len(columns) and LABELS in columns[len(cells) :]:  # an empty cell means no label
            raise InputError(
                f"{path} line {line}",
                "has fewer fields than the header",
                "end it with a comma if the image has no labels",
            )
        row = dict(zip(columns, [*map(str.strip, cells), *[""] * (len(columns) - len(cells))], strict=True))
        for name in (PATH, LABEL, *NAMED):
            if name in row and not row[name]:
                raise InputError(f"{path} line {line}", f"has no {name}", "fill it in, or remove the line")
        row[PATH] = path_in(path.parent, cells[columns.index(PATH)])
        rows.append((line, row))
    return rows


def _columns(path: Path, names: list[str]) -> list[str]:
    """Return the names of the columns, or raise InputError if path or labels are missing."""
    columns = [name.lower() for name in names]
    shown = ", ".join(columns) or "empty"
    if LABEL in columns and LABELS in columns:
        raise InputError(path, f"has both label and labels in its header ({shown})", "keep one of them")
    class_columns = not _has_labels(columns)
    others = [name for name in columns if name not in (PATH, *DIVIDING)]
    if PATH not in columns or (class_columns and len(others) < 2):
        name = LABEL if PATH in columns else PATH
        reason = f"has no column {name!r} in its header ({shown}){nearest(name, columns)}"
        raise InputError(path, reason, REMEDY)
    if not class_columns:
        return columns
    return [lower if lower in (PATH, *DIVIDING) else name for lower, name in zip(columns, names, strict=True)]
