"""What a landscape is made of, as plain values that several processes read; nothing here imports PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from convworks.errors import InputError
from convworks.signed import Kind, digest, read_signed, write_signed

NAME, ROWS = "landscape.json", "rows"
DIRECTIONS = "directions.safetensors"  # while several processes measure
FORMAT = 1
ROW_FORMAT = 2  # 1 had neither number nor plan
PLAN = Kind(
    name="the description of a landscape",
    formats=(FORMAT,),
    fields={"bundle": str, "data": str, "across": list, "down": list},
    damaged="start a new landscape",
)
ROW = Kind(
    name="a row of a landscape",
    formats=(ROW_FORMAT,),
    fields={"row": int, "plan": str, "points": list},
    damaged="remove it, and measure it again with --resume",
)
#: What decides a field of a plan, where no option has its name.
DECIDED_BY = {
    "bundle": "the bundle",
    "weights": "the weights of the bundle",
    "across": "--points, --span, --directions or the checkpoints",
    "down": "--dimensions",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A grid of points in a plane (or on a line, where `down` is only 0) and what is measured there.

    `across` and `down` are the coefficients of the two directions. `weights` is the checksum of the bundle, `images`
    the number of images, evenly from the split.
    """

    bundle: str
    weights: str
    data: str
    split: str | None
    images: int
    directions: str
    seed: int
    device: str
    precision: str
    across: tuple[float, ...]
    down: tuple[float, ...]

    def write(self, folder: Path) -> None:
        """Write the plan into the folder of its results."""
        write_signed(folder / NAME, {"format": FORMAT, **asdict(self)})

    def differs(self, other: Plan) -> str:
        """Return the option by which two plans differ first, or what else decides it; or nothing."""
        names = (f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name))
        return next((DECIDED_BY.get(name, f"--{name}") for name in names), "")

    @property
    def rows(self) -> list[list[tuple[float, ...]]]:
        """The points by row, which is what one process measures at a time: on a line, each point is a row."""
        if len(self.down) == 1:
            return [[(x,)] for x in self.across]
        return [[(x, y) for x in self.across] for y in self.down]


def read_plan(folder: Path) -> Plan:
    """Read the plan of a folder; InputError if there is none, or if it is damaged."""
    if not (folder / NAME).is_file():
        raise InputError(folder, f"holds no {NAME}", "begin one without --resume")
    values: dict[str, Any] = read_signed(folder / NAME, PLAN)
    named: dict[str, Any] = {field.name: values.get(field.name) for field in fields(Plan)}
    return Plan(**named | {"across": tuple(named["across"]), "down": tuple(named["down"])})


def evenly(low: float, high: float, points: int) -> tuple[float, ...]:
    """Return coefficients from `low` to `high`, rounded so that processes agree on them."""
    return tuple(float(f"{value:.8g}") for value in np.linspace(low, high, points).round(12).tolist())


def row_file(folder: Path, number: int) -> Path:
    """Return the file of a row: what was measured at its points."""
    return folder / ROWS / f"{number:04d}.json"


def write_row(folder: Path, plan: Plan, number: int, points: Sequence[Mapping[str, float | None]]) -> None:
    """Write what was measured at the points of a row of a plan."""
    values = {"format": ROW_FORMAT, "row": number, "plan": digest(asdict(plan)), "points": list(points)}
    write_signed(row_file(folder, number), values)


def read_row(folder: Path, plan: Plan, number: int) -> list[dict[str, float | None]]:
    """Read what was measured at the points of a row; InputError if its file is damaged, or that of another row."""
    path = row_file(folder, number)
    values = read_signed(path, ROW)
    if values["plan"] != digest(asdict(plan)):
        raise InputError(path, "is a row of another landscape", ROW.damaged)
    if values["row"] != number:
        raise InputError(path, f"is row {values['row']}, not {number}", ROW.damaged)
    points: list[dict[str, float | None]] = values["points"]
    return points


def json_number(value: float) -> float | None:
    """Return a number as JSON can hold it: None if it is not finite."""
    return value if math.isfinite(value) else None


def missing(folder: Path, plan: Plan) -> list[int]:
    """Return the rows that are not measured yet."""
    return [number for number in range(len(plan.rows)) if not row_file(folder, number).is_file()]
