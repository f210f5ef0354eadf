"""The files that answers are written into: CSV, JSON lines, Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from convworks.csv_files import csv_line
from convworks.data.labels import SEPARATOR
from convworks.data.sources.row import arrow
from convworks.errors import visible
from convworks.files import atomic, open_regular

CSV, LINES, PARQUET = FORMATS = (".csv", ".jsonl", ".parquet")
#: Formats that have a column for each class on request.
WITH_CLASSES = (CSV, PARQUET)
RANKED = ("path", "labels", "probabilities", "error")
#: Rows and cells of a row group of a Parquet file, at most: it is made in memory.
ROWS, CELLS = 1 << 14, 1 << 20

Row = Mapping[str, Any]
#: Names of columns, and the values of a row in them; None where it has none.
Columns = tuple[list[str], Callable[[Row], list[Any]]]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format: the text before all rows, the line of a row, and what makes the file of the lines.

    Without `finish`, the lines are the file.
    """

    head: str
    line: Callable[[Row], str]
    finish: Callable[[Path, Path], None] | None = None


def format_of(suffix: str, example: Row, classes: Sequence[str] | None = None) -> Format:
    """Return the format of a suffix, for rows like the example; `classes` asks for a column for each of them."""
    if suffix == LINES:
        return Format(head="", line=lambda row: json.dumps(row, allow_nan=False) + "\n")
    by_class = None if classes is None else class_columns(example, classes)
    if suffix == CSV:
        header, cells = by_class or ranked_columns(example)
        return Format(head=csv_line(header), line=lambda row: csv_line(map(_joined, cells(row))))
    header, cells = by_class or list_columns(example)
    values = cells(example)

    def finish(lines: Path, out: Path) -> None:
        _write_parquet(header, values, lines, out)

    return Format(head="", line=lambda row: json.dumps(cells(row), allow_nan=False) + "\n", finish=finish)


def ranked_columns(example: Row) -> Columns:
    """Return path, what else is predicted, the most probable classes with their probabilities, and error."""
    more, ranks = _more(example), range(len(example.get("labels", ())))
    header = ["path", *more, *(f"{name}{rank + 1}" for rank in ranks for name in ("label", "probability")), "error"]

    def cells(row: Row) -> list[Any]:
        pairs = zip(row.get("labels", [None] * len(ranks)), row.get("probabilities", [None] * len(ranks)), strict=True)
        return [row["path"], *map(row.get, more), *(value for pair in pairs for value in pair), row.get("error")]

    return header, cells


def list_columns(example: Row) -> Columns:
    """Return path, what else is predicted, the most probable classes and their probabilities as lists, and error."""
    ranked = [name for name in ("labels", "probabilities") if name in example]
    header = ["path", *_more(example), *ranked, "error"]
    return header, lambda row: list(map(row.get, header))


def class_columns(example: Row, classes: Sequence[str]) -> Columns:
    """Return path, label (or the predicted labels), the probability of each class as in predictions.csv, and error."""
    more = _more(example)

    def cells(row: Row) -> list[Any]:
        by_class = dict(zip(row.get("labels", ()), row.get("probabilities", ()), strict=True))
        predicted = [row.get(name) for name in more] or [next(iter(by_class), None)]
        return [row["path"], *predicted, *map(by_class.get, classes), row.get("error")]

    return ["path", *(more or ["label"]), *(f"p:{name}" for name in classes), "error"], cells


def _more(row: Row) -> list[str]:
    """Return the keys of an answer besides the most probable classes, in their order."""
    return [name for name in row if name not in RANKED]


def _joined(value: Any) -> Any:
    return SEPARATOR.join(value) if isinstance(value, list) else value


def _write_parquet(header: Sequence[str], example: Sequence[Any], lines: Path, out: Path) -> None:
    """Write lines of JSON, each the list of a row's cells, as a Parquet file; the same lines give the same bytes."""
    pyarrow = arrow(out)
    types = [_type(pyarrow, value) for value in example]
    schema = pyarrow.schema(list(zip(header, types, strict=True)))
    rows = max(1, min(ROWS, CELLS // len(header)))
    with (
        atomic(out) as file,
        pyarrow.parquet.ParquetWriter(file, schema) as writer,
        open_regular(lines, buffering=-1) as content,
    ):
        while group := [json.loads(line) for line in islice(content, rows)]:
            columns = [list(map(storable, values)) for values in zip(*group, strict=True)]
            arrays = [pyarrow.array(values, kind) for values, kind in zip(columns, types, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _type(pyarrow: Any, value: Any) -> Any:
    """Return the type of a column with this value; the error, of which an answer has none, is a text."""
    if isinstance(value, list):
        return pyarrow.list_(_type(pyarrow, value[0] if value else None))
    kinds = {bool: pyarrow.bool_, int: pyarrow.int64, float: pyarrow.float32}
    return kinds.get(type(value), pyarrow.string)()


def storable(value: Any) -> Any:
    """Return a value that Parquet can hold: a name that is not UTF-8 with escapes."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return visible(value)
    return value
