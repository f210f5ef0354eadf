"""What a command answers: values for `--json`, text for people."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convworks.errors import visible


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The one JSON object of a command, the same as text, and its exit status; a silent one is not shown.

    `error` is of a file that was to be written beside it: told after the answer, which people have waited for.
    """

    values: dict[str, Any]
    text: str
    status: int = 0
    silent: bool = False
    error: OSError | None = None


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Align rows in columns, numbers to the right; wide for a pipe as for a terminal."""
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
    """Write a command with those of its options that were given."""
    given = [word for name, value in options.items() if value is not None for word in (name, value)]
    return shlex.join(["convworks", *map(str, words), *map(str, given)])


def accuracy_line(name: str, found: dict[str, Any]) -> str:
    """Describe a split's accuracy with its interval, its mean average precision, or its signal-to-noise ratio."""
    if "psnr" in found:
        before = f", {found['corruption']}: {_ratio(found['psnr_read'])} before" if "corruption" in found else ""
        error = f"mean squared error {found['mse']:.4g}"
        return f"{name}: PSNR {_ratio(found['psnr'])} ({error}{before}, {found['n']:,} images)"
    if "map" in found:
        ends = found.get("intervals", {}).get("map")
        interval = f"95 % interval {percent(ends[0])} to {percent(ends[1])}, " if ends else ""
        return f"{name}: mAP {percent(found['map'])} ({interval}{found['n']:,} images)"
    low, high = found["interval"]
    interval = f"95 % interval {percent(low)} to {percent(high)}, {found['n']:,} images"
    return f"{name}: accuracy {percent(found['top1'])} ({interval})"


def _ratio(value: float | None) -> str:
    return "infinite" if value is None else f"{value:.2f} dB"


def _number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("%", "").replace("-", "").strip().isdigit() or cell == ""
