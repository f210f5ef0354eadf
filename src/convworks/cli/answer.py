"""The answer of a command: values for `--json`, text for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from convworks.errors import visible


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The one JSON object of a command, the same as text, and its exit status; a silent one is not shown.

    `error` is that of a file which could not be written beside it; it is reported after the answer.
    """

    values: dict[str, Any]
    text: str
    status: int = 0
    silent: bool = False
    error: OSError | None = None


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Align rows in columns, numbers to the right; the width does not depend on the terminal."""
    cells = [list(header), *[[visible(str(cell)) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    right = [all(_number(row[column]) for row in cells[1:]) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def percent(value: float) -> str:
    """Write a fraction as a percentage."""
    return f"{value:.2%}"


def _number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("%", "").replace("-", "").strip().isdigit() or cell == ""
