"""CSV of path,label: images anywhere, labels in a table, splits in an optional third column."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from convworks.data.folder import SPLITS
from convworks.data.source import Source, Split
from convworks.errors import InputError, nearest

NEEDED = ("path", "label")
SHOWN = 5


def open_table(path: Path) -> Source:
    """Open a CSV with a header and the columns path, label and, if wanted, split (train, val or test)."""
    rows = _read(path)
    if not rows:
        raise InputError(path, "has a header but no rows", "add one row an image: path,label")
    missing = [row["path"] for _, row in rows if not os.path.lexists(path.parent / row["path"])]
    if missing:
        names = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else "")
        reason = f"names {len(missing)} of {len(rows)} files that do not exist: {names}"
        raise InputError(path, reason, f"give paths relative to {path.parent.resolve()}")
    classes = tuple(sorted({row["label"] for _, row in rows}))
    numbers = {name: number for number, name in enumerate(classes)}
    listed: dict[str, list[tuple[str, int]]] = {}
    for line, row in rows:
        split = row.get("split", "train").lower()
        if split not in SPLITS:
            reason = f"has the split {row['split']!r}, not one of {', '.join(SPLITS)}"
            raise InputError(f"{path} line {line}", reason, "correct it")
        listed.setdefault(SPLITS[split], []).append((row["path"], numbers[row["label"]]))
    splits = {}
    for split in ("train", "validation", "test"):
        if split in listed:
            pairs = sorted(listed[split])
            splits[split] = Split(
                labels=np.array([label for _, label in pairs], dtype=np.int64),
                names=tuple([name for name, _ in pairs]),
                files=tuple([path.parent / name for name, _ in pairs]),
            )
    return Source(name=path.stem, kind="csv", path=path, classes=classes, splits=splits)


def column(path: Path, name: str) -> dict[str, str]:
    """Return the value of a further column for each path of the table; InputError where it is missing or empty."""
    values = {}
    for line, row in _read(path):
        if name.strip().lower() not in row:
            raise InputError(path, f"has no column {name!r}{nearest(name, row)}", f"it has: {', '.join(row)}")
        values[row["path"]] = row[name.strip().lower()]
        if not values[row["path"]]:
            raise InputError(f"{path} line {line}", f"has no {name}", "fill it in, or remove the line")
    return values


def _read(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read the rows with their line numbers; path and label are never empty, and no path occurs twice."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True, skipinitialspace=True)
            columns = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            shown = ", ".join(columns) or "empty"
            for name in NEEDED:
                if name not in columns:
                    reason = f"has no column {name!r} in its header ({shown}){nearest(name, columns)}"
                    raise InputError(path, reason, "its first line must be path,label or path,label,split")
            if len(set(columns)) < len(columns):
                raise InputError(path, f"names a column twice in its header ({shown})", "keep one of them")
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the file and its permissions") from None
    except UnicodeDecodeError as error:
        raise InputError(
            path, f"is not UTF-8 text ({error.reason} at byte {error.start})", "save it as UTF-8"
        ) from None
    except csv.Error as error:
        raise InputError(path, f"is not a CSV file ({error})", "correct it") from None
    seen: dict[str, int] = {}
    for line, row in rows:
        if len(row) > len(columns):  # the reader collects what is too much under one more key
            raise InputError(f"{path} line {line}", "has more fields than the header", "quote fields with commas")
        for name in columns:
            row[name] = (row[name] or "").strip()
            if not row[name] and name in (*NEEDED, "split"):
                raise InputError(f"{path} line {line}", f"has no {name}", "fill it in, or remove the line")
        if row["path"] in seen:
            reason = f"names {row['path']} again, after line {seen[row['path']]}"
            raise InputError(f"{path} line {line}", reason, "keep one of the two lines")
        seen[row["path"]] = line
    return rows
