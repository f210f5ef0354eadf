"""The labels of a table, and where its images are: columns found by their types and, where several fit, by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convworks.data.row import Row, arrow, read_table
from convworks.errors import InputError

PARQUET, ARROW = "parquet", "arrow"
#: Columns that are taken where several could be meant; the first that there is.
IMAGES, LABELS = ("image", "img"), ("label", "labels", "class", "cls", "target", "fine_label")
HUGGING_FACE = b"huggingface"


def read_labels(path: Path) -> Labels:
    """Read the labels of a .parquet or .arrow file, or raise InputError; pyarrow must be installed."""
    pyarrow = arrow(path)
    try:
        if path.suffix.lower() != f".{PARQUET}":
            table = read_table(path)
            image, label = _columns(path, table.schema)
            size = table.column(image).nbytes // max(1, len(table))
            groups: list[tuple[int | None, int, int]] = [(None, len(table), size)]
            values = table.column(label).to_pylist()
            schema = table.schema
        else:
            with pyarrow.parquet.ParquetFile(path) as file:
                schema = file.schema_arrow
                image, label = _columns(path, schema)
                groups = [
                    (number, *_group(file.metadata.row_group(number), image)) for number in range(file.num_row_groups)
                ]
                values = file.read(columns=[label], use_threads=False).column(label).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        reason = f"cannot be read ({str(error).splitlines()[0]})"
        raise InputError(path, reason, "check the file, or fetch it again") from None
    rows = [
        Row(path, image, group, number, size, f"row {before + number}")
        for (group, count, size), before in zip(groups, _starts([count for _, count, _ in groups]), strict=True)
        for number in range(count)
    ]
    if not rows:
        raise InputError(path, "has no rows", "remove it, or fetch it again")
    names = _class_names(schema, label)
    return Labels(path=path, rows=rows, labels=[_text(value, names) for value in values], classes=names)


def _group(group: Any, image: str) -> tuple[int, int]:
    """Return how many rows a row group has, and how many bytes of images a row on average."""
    columns = [group.column(number) for number in range(group.num_columns)]
    size = sum(part.total_uncompressed_size for part in columns if part.path_in_schema.split(".")[0] == image)
    return group.num_rows, size // max(1, group.num_rows)


def _starts(counts: list[int]) -> list[int]:
    return [sum(counts[:number]) for number in range(len(counts))]


def _columns(path: Path, schema: Any) -> tuple[str, str]:
    """Return the names of the columns with images (bytes, or a struct with bytes) and with labels."""
    types = arrow(path).types
    binary = (types.is_binary, types.is_large_binary)
    images, labels = [], []
    for field in schema:
        kind = field.type
        if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind = kind.field(kind.get_field_index("bytes")).type
        if any(test(kind) for test in binary):
            images.append(field.name)
        elif (
            types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind)
        ):
            labels.append(field.name)
    return _one(path, schema, "images", images, IMAGES), _one(path, schema, "labels", labels, LABELS)


def _one(path: Path, schema: Any, what: str, found: list[str], preferred: tuple[str, ...]) -> str:
    """Choose a column, or say that there is none, or more than one."""
    chosen = next((name for name in preferred if name in found), found[0] if len(found) == 1 else None)
    if chosen is None:
        reason = f"has several columns that could be {what}" if found else f"has no column of {what}"
        shown = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise InputError(path, f"{reason}: {shown}", f"call the one that is meant {preferred[0]}")
    return chosen


def _class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """Return the names that Hugging Face's metadata give to the numbers of a column, where they do."""
    try:
        names = json.loads((schema.metadata or {})[HUGGING_FACE])["info"]["features"][label]["names"]
    except (KeyError, ValueError, TypeError):
        return None
    return tuple(names) if isinstance(names, list) and names and set(map(type, names)) == {str} else None


def _text(value: Any, names: tuple[str, ...] | None) -> str | None:
    """Return the class that a cell names; None for none, which is also what -1 stands for."""
    if value is None or value == "" or (isinstance(value, int) and value < 0):
        return None
    if names is not None and isinstance(value, int):
        return names[value] if value < len(names) else str(value)
    return str(value)


@dataclass(frozen=True, kw_only=True)
class Labels:
    """A table: its rows, the class of each (None: without), and the names of all classes where the table has them."""

    path: Path
    rows: list[Row]
    labels: list[str | None]
    classes: tuple[str, ...] | None
