"""How large the networks of the catalogue are, counted beforehand: to build them all would take seconds each time."""

from __future__ import annotations

import csv
from dataclasses import fields
from pathlib import Path

from convworks.files import read_text
from convworks.models.analysis.count import Count, count_published

#: Written by scripts/count-networks.
TABLE = Path(__file__).with_name("counted.csv")
COLUMNS = ("name", *(field.name for field in fields(Count)))


def counted() -> dict[str, Count]:
    """Return the counts of networks by name, each at its published shape."""
    rows = list(csv.DictReader(read_text(TABLE).splitlines()))
    return {row.pop("name"): Count(**{column: int(value) for column, value in row.items()}) for row in rows}


def counts(name: str) -> tuple[str | int, ...]:
    """Count a network anew; return its row of the table."""
    return (name, *vars(count_published(name)).values())
