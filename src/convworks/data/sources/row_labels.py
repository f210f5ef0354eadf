"""The labels of a table and the location of its images: columns are chosen by type and, if several fit, by name.

A column of lists, or of text called `labels` (`cat;dog`), gives an image any number of classes; so do columns of
0 and 1, one per class, if there are no others beside the images. Columns that divide the rows (split_columns.py) are
none of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from convworks.data.labels import Names, split_names
from convworks.data.sources.row import Row, arrow, parquet_file, read_table
from convworks.data.sources.split_columns import DIVIDING, Divided, divide_rows
from convworks.errors import InputError

PARQUET, ARROW = "parquet", "arrow"
#: Preferred names if several columns fit; the first one present is used.
IMAGES, LABELS = ("image", "img"), ("label", "labels", "class", "cls", "target", "fine_label")
LABEL_LIST = "labels"  # as text, it names any number of classes
HUGGING_FACE = b"huggingface"


def read_labels(path: Path) -> Labels:
    """Read the labels of a .parquet or .arrow file, or raise InputError; pyarrow must be installed."""
    pyarrow = arrow(path)
    try:
        if path.suffix.lower() != f".{PARQUET}":
            table = read_table(path)
            image, chosen = _columns(path, table.schema)
            dividing = _dividing(table.schema)
            size = table.column(image).nbytes // max(1, len(table))
            groups: list[tuple[int | None, int, int]] = [(None, len(table), size)]
            schema = table.schema
            values = table.select([*chosen, *dividing]).to_pylist()
        else:
            with parquet_file(path) as file:
                schema = file.schema_arrow
                image, chosen = _columns(path, schema)
                dividing = _dividing(schema)
                groups = [
                    (number, *_group(file.metadata.row_group(number), image)) for number in range(file.num_row_groups)
                ]
                values = file.read(columns=[*chosen, *dividing], use_threads=False).to_pylist()
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
    cells = [{name.lower(): "" if row[name] is None else str(row[name]) for name in dividing} for row in values]
    others = tuple([name for name in schema.names if name not in (image, *chosen, *dividing)])
    common: dict[str, Any] = {"path": path, "rows": rows, "dividing": cells, "unused": others}
    if len(chosen) > 1:
        answers = [_answers(row, {name: each[name] for name in chosen}) for row, each in zip(rows, values, strict=True)]
        return Labels(labels=answers, classes=tuple(chosen), **common)
    names = _class_names(schema, chosen[0])
    labels = [_names(each[chosen[0]], names, chosen[0]) for each in values]
    return Labels(labels=labels, classes=names, **common)


def _dividing(schema: Any) -> list[str]:
    """Return the names of the columns that divide the rows."""
    return [name for name in schema.names if name.lower() in DIVIDING]


def _group(group: Any, image: str) -> tuple[int, int]:
    """Return the number of rows of a row group, and the mean size of its images in bytes."""
    columns = [group.column(number) for number in range(group.num_columns)]
    size = sum(part.total_uncompressed_size for part in columns if part.path_in_schema.split(".")[0] == image)
    return group.num_rows, size // max(1, group.num_rows)


def _starts(counts: list[int]) -> list[int]:
    return [sum(counts[:index]) for index in range(len(counts))]


def _columns(path: Path, schema: Any) -> tuple[str, list[str]]:
    """Return the name of the image column (bytes, or a struct with bytes), and those of the label columns."""
    types = arrow(path).types
    binary = (types.is_binary, types.is_large_binary)
    names = (types.is_integer, types.is_string, types.is_large_string, types.is_dictionary)
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    images, labels, answers, others = [], [], [], []
    for field in schema:
        kind = field.type
        if field.name.lower() in DIVIDING:
            continue
        if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind = kind.field(kind.get_field_index("bytes")).type
        if any(test(kind) for test in binary):
            images.append(field.name)
            continue
        inside = kind.value_type if any(test(kind) for test in lists) else kind
        if any(test(inside) for test in names):
            labels.append(field.name)
        if types.is_integer(kind) or types.is_boolean(kind):
            answers.append(field.name)
        else:
            others.append(field.name)
    image = _one(path, schema, "images", images, IMAGES)
    if len(answers) > 1 and not others and not set(LABELS) & set(labels):
        return image, answers
    return image, [_one(path, schema, "labels", labels, LABELS)]


def _one(path: Path, schema: Any, what: str, candidates: list[str], preferred: tuple[str, ...]) -> str:
    """Choose a column, or raise InputError for none, or more than one."""
    chosen = next((name for name in preferred if name in candidates), candidates[0] if len(candidates) == 1 else None)
    if chosen is None:
        reason = f"has several columns that could be {what}" if candidates else f"has no column of {what}"
        shown = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise InputError(path, f"{reason}: {shown}", f"name the right one {preferred[0]}")
    return chosen


def _class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """Return the class names in the Hugging Face metadata of a column of numbers or lists of numbers, or None."""
    try:
        feature = json.loads((schema.metadata or {})[HUGGING_FACE])["info"]["features"][label]
        feature = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        names = feature["names"]
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, RecursionError):
        return None
    return tuple(names) if isinstance(names, list) and names and set(map(type, names)) == {str} else None


def _names(value: Any, names: tuple[str, ...] | None, column: str) -> Names | None:
    """Return the class or classes named by a cell; None if it is empty."""
    if isinstance(value, list):
        return tuple(_text(each, names) or str(each) for each in value)
    if column == LABEL_LIST and isinstance(value, str):
        return split_names(value)
    return _text(value, names)


def _answers(row: Row, cells: dict[str, Any]) -> tuple[str, ...]:
    """Return the classes whose columns hold 1; raises InputError for a value other than 0 and 1."""
    for name, value in cells.items():
        if value not in (0, 1):
            reason = f"has {value!r} in column {name!r}, neither 0 nor 1"
            raise InputError(row, reason, "write 0 or 1, or call the column of labels label")
    return tuple(name for name, value in cells.items() if value)


def _text(value: Any, names: tuple[str, ...] | None) -> str | None:
    """Return the class named by a value; None for an empty or negative one."""
    if value is None or value == "" or (isinstance(value, int) and value < 0):
        return None
    if names is not None and isinstance(value, int):
        return names[value] if value < len(names) else str(value)
    return str(value)


@dataclass(frozen=True, kw_only=True)
class Labels:
    """A table: its rows, the class or classes of each (None: unknown), and all class names if the table has them.

    `dividing` are the cells of each row in columns that may divide the table; `unused` are columns of no use.
    """

    path: Path
    rows: list[Row]
    labels: Sequence[Names | None]
    classes: tuple[str, ...] | None
    dividing: list[dict[str, str]]
    unused: tuple[str, ...]

    @cached_property
    def divided(self) -> Divided:
        """The split of each row; raises InputError for cells that name none."""
        return divide_rows(self.path, list(enumerate(self.dividing)), "row")

    def by_split(self) -> dict[str, Labels]:
        """Return the rows of each split that the columns name."""
        splits = self.divided.splits
        chosen = {name: [i for i, split in enumerate(splits) if split == name] for name in dict.fromkeys(splits)}
        return {
            name: replace(self, rows=[self.rows[i] for i in rows], labels=[self.labels[i] for i in rows], dividing=[])
            for name, rows in chosen.items()
        }
