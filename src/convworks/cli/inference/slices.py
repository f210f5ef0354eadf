"""The options `--slices FILE.csv --by COLUMN` of `convworks evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convworks.cli.answer import percent, table
from convworks.data.source import Source
from convworks.errors import InputError, counted

if TYPE_CHECKING:
    from convworks.metrics.slices import Slices
    from convworks.tasks.outcome import Judged


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table: the value of each path that it names."""

    path: Path
    name: str
    values: dict[str, str]


def read(path: Path | None, column: str | None) -> Column | None:
    """Read the requested column; None if none is requested."""
    if path is None and column is None:
        return None
    if path is None:
        raise InputError("--by", "needs a table", "give one with --slices FILE.csv")
    if column is None:
        raise InputError("--slices", "needs the column to slice by", "add --by COLUMN")
    from convworks.metrics.slices import read_column

    return Column(path=path, name=column, values=read_column(path, column))


def refuse(column: Column | None, does: str) -> None:
    """Raise InputError for a network whose predictions are not simply correct or wrong."""
    if column is not None:
        raise InputError("--slices", f"compares accuracies, but the bundle {does}", "leave it out")


def match_split(column: Column | None, source: Source, split: str | None) -> tuple[str, list[str | None]] | None:
    """Return the name of the column and its value for each image of the split; this runs before any prediction."""
    if column is None:
        return None
    from convworks.inference.predictor import choose_split
    from convworks.metrics.slices import match

    chosen = choose_split(source, split)[1]
    others = {name for each in source.splits.values() for name in each.names}
    return column.name, match(column.path, column.values, chosen.names, others)


def measure(column: tuple[str, list[str | None]] | None, predictions: Judged) -> Slices | None:
    """Return the accuracy for each value of a column."""
    if column is None:
        return None
    from convworks.metrics.slices import slices

    return slices(*column, predictions.correct)


def text(parts: Slices) -> str:
    """Write the slices as a table."""
    rows = []
    for row in parts.rows:
        low, high = row.interval
        change, p = "", ""
        if row.difference is not None and row.difference_interval is not None and row.adjusted is not None:
            less, more = row.difference_interval
            change, p = f"{100 * row.difference:+.2f} ({100 * less:+.2f} to {100 * more:+.2f})", f"{row.adjusted:.3g}"
        interval = f"{percent(low)} to {percent(high)}"
        rows.append([row.value, f"{row.n:,}", percent(row.accuracy), interval, change, p])
    shown = table([parts.column, "images", "right", "95 % interval", "points above the rest (95 %)", "p"], rows)
    return shown + (f"\nnot in the table: {counted(parts.unlisted, 'image')}" if parts.unlisted else "")
