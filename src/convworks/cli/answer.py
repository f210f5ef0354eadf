"""The answer of a command: values for `--json`, text for people."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
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


def repeated(words: Sequence[object], options: Mapping[str, object]) -> str:
    """Write a command with those of its options that are not None, a list's once for each value.

    A path that begins with a dash is no option.
    """
    named = [f"./{word}" if word.startswith("-") else word for word in map(str, words)]
    given = [(name, value if isinstance(value, list) else [value]) for name, value in options.items()]
    set_options = [
        str(word) for name, values in given for value in values if value is not None for word in (name, value)
    ]
    return " ".join(map(_quoted, ["convworks", *named, *set_options]))


def _quoted(word: str) -> str:
    r"""Quote a word for a shell, on one line: a line break becomes $'\n'."""
    if visible(word) == word:
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{visible(escaped)}'"


def _number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("%", "").replace("-", "").strip().isdigit() or cell == ""
