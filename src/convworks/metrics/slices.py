"""Accuracy on slices of a split, by a column of a user's table such as camera, site or age."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from convworks.csv_files import read_csv
from convworks.data.labels import nfc
from convworks.errors import InputError, nearest
from convworks.metrics.classification import wilson_interval

#: Columns with more distinct values are rejected: such small slices are meaningless.
MOST = 50
PATH, EMPTY = "path", "(empty)"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One value of the column: number of images, accuracy with its interval, and the difference from all others.

    `p` is that of Fisher's exact test, `adjusted` is corrected for multiple tests (Holm 1979); None without others.
    """

    value: str
    n: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    difference: float | None
    difference_interval: tuple[float, float] | None
    p: float | None
    adjusted: float | None


@dataclass(frozen=True, kw_only=True)
class Slices:
    """The slices of a split by a column, the largest first, and the number of images missing in the table."""

    column: str
    rows: tuple[Slice, ...]
    unlisted: int

    def plain(self) -> dict[str, Any]:
        """Return plain JSON values."""
        rows = [
            {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(row).items()}
            for row in self.rows
        ]
        return {"column": self.column, "rows": rows, "unlisted": self.unlisted}


def read_column(path: Path, column: str) -> dict[str, str]:
    """Return the value of a column for each path of a CSV table; raises InputError for an invalid table."""
    rows = read_rows(path, (PATH, column))
    if not rows:
        raise InputError(path, "has no rows", "give a table with one line per image")
    value_by_name: dict[str, str] = {}
    for row in rows:
        name, value = row[PATH], row[column].strip() or EMPTY
        if value_by_name.setdefault(name, value) != value:
            raise InputError(path, f"names {name} twice, as {value_by_name[name]} and {value}", "keep one of the lines")
    distinct = sorted(set(value_by_name.values()))
    if len(distinct) > MOST:
        reason = f"column {column!r} has {len(distinct):,} values, more than {MOST}: {', '.join(distinct[:3])} ..."
        raise InputError(path, reason, "choose a column of few values, or group them (numbers into ranges)")
    return value_by_name


def read_rows(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file whose header has these columns; missing cells are empty strings."""
    # Paths need not be UTF-8: surrogateescape reads what predictions.csv wrote.
    header, rows = read_csv(path, PATH, errors="surrogateescape")
    if not header:
        raise InputError(path, "is empty", "give a CSV file with a header")
    for name in needed:
        if name not in header:
            raise InputError(path, f"has no column {name!r}{nearest(name, header)}", f"it has: {', '.join(header)}")
    return [dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=False)) for _, cells in rows]


def match(path: Path, values: Mapping[str, str], names: Sequence[str], others: Collection[str]) -> list[str | None]:
    """Return the value of each image of a split, None for images missing in the table.

    Raises InputError for a name that is neither in the split nor in `others`, the names of the other splits.
    """
    split_names = set(names)
    if any(name not in split_names and name not in others for name in values):
        values = _respelt(path, values, [*names, *others])
    unknown = [name for name in values if name not in split_names and name not in others]
    if unknown or not any(name in split_names for name in values):
        first = unknown or list(values)
        reason = f"names {len(first):,} of {len(values):,} images that are not in the split, the first {first[0]!r}"
        raise InputError(path, reason, f"write them as predictions.csv does, for example {names[0]}")
    return [values.get(name) for name in names]


def _respelt(path: Path, values: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return the values by the source's names; a table may write them with dots, backslashes, other code points."""
    exact, spelt = set(names), {_plain(name): name for name in names}
    respelt: dict[str, str] = {}
    for text, value in values.items():
        name = text if text in exact else spelt.get(_plain(text), text)
        if respelt.setdefault(name, value) != value:
            raise InputError(path, f"names {name} twice, as {respelt[name]} and {value}", "keep one of the lines")
    return respelt


def _plain(name: str) -> str:
    return posixpath.normpath(nfc(name).replace("\\", "/"))


def slices(column: str, values: Sequence[str | None], correct: Bool[np.ndarray, " n"]) -> Slices:
    """Compare the images of each value with those of all other values; images without a value are ignored."""
    from scipy.stats import fisher_exact  # importing it takes half a second

    listed = np.array([value is not None for value in values])
    total, right = int(listed.sum()), int(correct[listed].sum())
    counts: dict[str, tuple[int, int]] = {}
    for value, is_correct in zip(values, correct.tolist(), strict=True):
        if value is not None:
            n, hits = counts.get(value, (0, 0))
            counts[value] = n + 1, hits + is_correct
    tests = {
        value: float(fisher_exact([[hits, n - hits], [right - hits, total - n - right + hits]]).pvalue)
        for value, (n, hits) in counts.items()
        if n < total
    }
    adjusted = holm(tests)
    rows = []
    for value, (n, hits) in sorted(counts.items(), key=lambda item: (-item[1][0], item[0])):
        rest = (total - n, right - hits)
        rows.append(
            Slice(
                value=value,
                n=n,
                correct=hits,
                accuracy=hits / n,
                interval=wilson_interval(hits, n),
                difference=hits / n - rest[1] / rest[0] if rest[0] else None,
                difference_interval=difference_interval((hits, n), (rest[1], rest[0])) if rest[0] else None,
                p=tests.get(value),
                adjusted=adjusted.get(value),
            )
        )
    return Slices(column=column, rows=tuple(rows), unlisted=len(values) - total)


def difference_interval(first: tuple[int, int], second: tuple[int, int], level: float = 0.95) -> tuple[float, float]:
    """Return the interval of the difference of two independent proportions (correct, n) (Newcombe 1998, method 10)."""
    (a, n), (b, m) = first, second
    low1, high1 = wilson_interval(a, n, level)
    low2, high2 = wilson_interval(b, m, level)
    p, q = a / n, b / m
    below = float(np.hypot(p - low1, high2 - q))
    return p - q - below, p - q + float(np.hypot(high1 - p, q - low2))


def holm(tests: Mapping[str, float]) -> dict[str, float]:
    """Return p values adjusted for multiple tests (Holm 1979)."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(tests.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, p * (len(tests) - rank)))
        adjusted[name] = highest
    return adjusted
