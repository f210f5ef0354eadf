"""CSV tables of images and masks: columns image and mask, and optionally the split (split_columns.py)."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from convworks.csv_files import DELIMITERS, read_csv
from convworks.data.source import Source
from convworks.data.sources.class_table import find_table
from convworks.data.sources.paired import Pair, paired_source
from convworks.data.sources.split_columns import DIVIDING, divide_rows
from convworks.data.sources.table import PATH, find_files, path_in, values_by
from convworks.errors import InputError
from convworks.files import open_regular

IMAGE, MASK = "image", "mask"
HEAD = 1 << 16  # bytes that hold any header


def recognise(path: Path) -> bool:
    """Return whether the header of a CSV file names images and masks, or masks and no classes."""
    with open_regular(path) as file:
        line = file.read(HEAD).decode("utf-8-sig", "replace").splitlines()[:1]
    headers = [{cell.strip(' "').lower() for cell in line[0].split(mark)} for mark in DELIMITERS if line]
    return any(MASK in names and (IMAGE in names or names <= {PATH, MASK, *DIVIDING}) for names in headers)


def open_table(path: Path) -> Source:
    """Open a table that `recognise` accepts; paths are relative to its folder, where classes.csv may lie too.

    Raises InputError for files that do not exist, or are named twice.
    """
    rows = _read(path)
    if not rows:
        raise InputError(path, "has a header but no rows", "add one row per image: image,mask")
    images, masks = (find_files(path, rows, column) for column in (IMAGE, MASK))
    divided = divide_rows(path, rows)
    splits: dict[str, list[Pair]] = {}
    for split, (line, row), image, mask in zip(divided.splits, rows, images, masks, strict=True):
        if _same(image, mask):
            raise InputError(f"{path} line {line}", "names one file as image and mask", "name the file of the mask")
        splits.setdefault(split, []).append(Pair(row[IMAGE], image, mask))
    ordered = {split: sorted(pairs) for split, pairs in splits.items()}
    source = paired_source(path, "pairs", ordered, find_table(path.parent), {})
    unused = [name for name in rows[0][1] if name not in (IMAGE, MASK, *DIVIDING)]
    return replace(
        source,
        split_columns=divided.columns,
        fold_column=divided.fold,
        unused_columns=tuple(unused),
    )


def _same(image: Path, mask: Path) -> bool:
    with suppress(OSError):  # a broken link counts as a damaged file
        return os.path.samefile(image, mask)
    return False


def column(path: Path, name: str) -> dict[str, str]:
    """Map each image of the table to its value in another column; raises InputError if that is missing or empty."""
    return values_by(path, _read(path), IMAGE, name)


def _read(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read the rows with their line numbers; no cell of an image or a mask is empty."""
    header, lines = read_csv(path, MASK, skipinitialspace=True)
    columns = [name.lower() for name in header]
    if IMAGE not in columns:
        reason = f"has no column 'image' in its header ({', '.join(columns)})"
        raise InputError(path, reason, "its first line must be image,mask")
    if len(set(columns)) < len(columns):
        raise InputError(path, f"names a column twice in its header ({', '.join(columns)})", "keep one of them")
    rows = []
    for line, cells in lines:
        if len(cells) > len(columns):
            raise InputError(f"{path} line {line}", "has more fields than the header", "quote fields with commas")
        row = dict(zip(columns, [*map(str.strip, cells), *[""] * (len(columns) - len(cells))], strict=True))
        for name in (IMAGE, MASK):
            if not row[name]:
                raise InputError(f"{path} line {line}", f"has no {name}", "fill it in, or remove the line")
            row[name] = path_in(path.parent, cells[columns.index(name)])
        rows.append((line, row))
    return rows
