"""The table of classes of masks: classes.csv, with the name of each class and its number or its colour."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from convworks.csv_files import read_csv
from convworks.data.column import LARGEST, written
from convworks.errors import InputError
from convworks.files import is_there

NAMES = ("classes.csv", "class_dict.csv")
NAME, VALUE, COLOUR = "name", ("value",), ("r", "g", "b")
HEADERS = "name,value or name,r,g,b"

Value = tuple[int, ...]


def find_table(*folders: Path) -> Path | None:
    """Return the first table of classes in these folders; None without one."""
    paths = (folder / name for folder in folders for name in NAMES)
    return next((path for path in paths if is_there(path)), None)


def read_classes(path: Path) -> dict[str, Value]:
    """Return the value of each class by its name, in the order of the table: a number (v,), or a colour (r, g, b).

    Raises InputError for other columns, values that are none, and names or values that occur twice.
    """
    header, rows = read_csv(path, NAME, skipinitialspace=True)
    columns = [name.lower() for name in header]
    if len(set(columns)) < len(columns):
        raise InputError(path, f"names a column twice in its header ({', '.join(columns)})", "keep one of them")
    kind = next((kind for kind in (VALUE, COLOUR) if {NAME, *kind} <= set(columns)), None)
    if kind is None:
        reason = f"has the columns {', '.join(columns) or 'none'}"
        raise InputError(path, reason, f"its first line must be {HEADERS}")
    classes: dict[str, Value] = {}
    for line, cells in rows:
        row = dict(zip(columns, [*map(str.strip, cells), *[""] * len(columns)], strict=False))
        where = f"{path} line {line}"
        name, value = row[NAME], _value(where, row, kind)
        if not name:
            raise InputError(where, "has no name", "fill it in, or remove the line")
        if name in classes:
            raise InputError(where, f"names the class {name!r} again", "give each class one line")
        other = next((each for each, taken in classes.items() if taken == value), None)
        if other is not None:
            raise InputError(
                where, f"gives {name!r} the {_kind(kind)} {written(value)}, which {other!r} has", "correct it"
            )
        classes[name] = value
    if len(classes) < 2:
        count = "1 class" if classes else "no classes"
        raise InputError(path, f"names {count}, at least 2 are needed", "name the background too")
    return classes


def _value(where: str, row: Mapping[str, str], kind: tuple[str, ...]) -> Value:
    cells = [row[column] for column in kind]
    if not all(cell.isascii() and cell.isdigit() and len(cell) < 10 and int(cell) <= LARGEST for cell in cells):
        reason = f"has the {_kind(kind)} {','.join(cells)!r}"
        raise InputError(where, reason, f"give whole numbers from 0 to {LARGEST}")
    return tuple(map(int, cells))


def _kind(kind: tuple[str, ...]) -> str:
    return "value" if kind == VALUE else "colour"
