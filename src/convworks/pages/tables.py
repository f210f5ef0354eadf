"""HTML tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from convworks.pages.render import render


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table; `bar` is a fraction, drawn as a bar at its end."""

    cells: Sequence[str]
    faint: bool = False
    bar: float | None = None


def table(header: Sequence[str], rows: Sequence[Row], *, texts: int = 1) -> Markup:
    """Show a table whose first `texts` columns are texts and whose others are numbers."""
    return render("table.html", header=header, rows=rows, texts=texts, bars=any(row.bar is not None for row in rows))


def values_table(values: Mapping[str, Any]) -> Markup:
    """Tabulate nested values under dotted names, as in --set; empty for no values."""
    return render("values_table.html", rows=[(name, _text(value)) for name, value in _leaves(values)])


def _leaves(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """List the leaves of nested mappings under dotted names."""
    leaves: list[tuple[str, Any]] = []
    for name, value in values.items():
        nested = isinstance(value, Mapping) and value
        leaves += _leaves(value, f"{prefix}{name}.") if nested else [(f"{prefix}{name}", value)]
    return leaves


def _text(value: Any) -> str:
    if value is None or (isinstance(value, (Mapping, list, tuple)) and not value):
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
