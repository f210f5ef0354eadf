"""How `convworks models` writes numbers, lines and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convworks.csv_files import csv_text

#: What the answers of this command are wrapped to.
WIDTH = 110


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Write rows with the same keys as CSV; lists as sizes like 3x32x32."""
    return csv_text(list(rows[0]), ([_cell(row[name]) for name in rows[0]] for row in rows))


def _cell(value: Any) -> Any:
    return "x".join(map(str, value)) if isinstance(value, list) else value


def short(number: int) -> str:
    """Write a large number with three digits: 3.86 G."""
    for unit, sign in ((10**9, "G"), (10**6, "M"), (10**3, "K")):
        if number >= unit:
            return f"{number / unit:.{max(0, 2 - len(str(number // unit)) + 1)}f} {sign}"
    return str(number)
