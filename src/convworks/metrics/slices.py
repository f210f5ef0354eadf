"""How good a network is on parts of a split, by a column of a table that somebody else wrote: camera, site, age."""

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

#: A column of more values is refused: parts so small say nothing.
MOST = 50
PATH, EMPTY = "path", "(empty)"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One value of the column: images, the share that is right with its interval, and how that differs from the rest.

    `p` is that of Fisher's exact test, `adjusted` the same for so many tests (Holm 1979); None without a rest.
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
    """The parts of a split by a column, the most images first, and how many images the table does not name."""

    column: str
    rows: tuple[Slice, ...]
    unlisted: int

    def plain(self) -> dict[str, Any]:
        """Return the same as numbers, texts and lists."""
        rows = [
            {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(row).items()}
            for row in self.rows
        ]
        return {"column": self.column, "rows": rows, "unlisted": self.unlisted}


def read_column(path: Path, column: str) -> dict[str, str]:
    """Return the value of a column for each path of a CSV table; raises InputError where it is no such table."""
    rows = read_rows(path, (PATH, column))
    if not rows:
        raise InputError(path, "has no rows", "give a table with a line for each image")
    found: dict[str, str] = {}
    for row in rows:
        name, value = row[PATH], row[column].strip() or EMPTY
        if found.setdefault(name, value) != value:
            raise InputError(path, f"names {name} twice, as {found[name]} and {value}", "keep one of the lines")
    values = sorted(set(found.values()))
    if len(values) > MOST:
        reason = f"column {column!r} has {len(values):,} values, more than {MOST}: {', '.join(values[:3])} ..."
        raise InputError(path, reason, "choose a column of few values, or group them (numbers into ranges)")
    return found


def read_rows(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header that has these columns; empty cells are empty texts."""
    # Paths need not be UTF-8: surrogateescape reads what predictions.csv wrote.
    header, rows = read_csv(path, PATH, errors="surrogateescape")
    if not header:
        raise InputError(path, "is empty", "give a CSV file with a header")
    for name in needed:
        if name not in header:
            raise InputError(path, f"has no column {name!r}{nearest(name, header)}", f"it has: {', '.join(header)}")
    return [dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=False)) for _, cells in rows]


def match(path: Path, values: Mapping[str, str], names: Sequence[str], others: Collection[str]) -> list[str | None]:
    """Return the value of each image of a split, None for one that the table does not name.

    A name that is neither in the split nor among `others`, those of the source's other splits, raises InputError.
    """
    known = set(names)
    if any(name not in known and name not in others for name in values):
        values = _respelt(path, values, [*names, *others])
    strange = [name for name in values if name not in known and name not in others]
    if strange or not any(name in known for name in values):
        first = strange or list(values)
        reason = f"names {len(first):,} of {len(values):,} images that are not in the split, the first {first[0]!r}"
        raise InputError(path, reason, f"write them as predictions.csv does, for example {names[0]}")
    return [values.get(name) for name in names]


def _respelt(path: Path, values: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return the values by names as the source has them; a table may have dots, backslashes, other code points."""
    exact, spelt = set(names), {_plain(name): name for name in names}
    found: dict[str, str] = {}
    for text, value in values.items():
        name = text if text in exact else spelt.get(_plain(text), text)
        if found.setdefault(name, value) != value:
            raise InputError(path, f"names {name} twice, as {found[name]} and {value}", "keep one of the lines")
    return found


def _plain(name: str) -> str:
    return posixpath.normpath(nfc(name).replace("\\", "/"))


def slices(column: str, values: Sequence[str | None], correct: Bool[np.ndarray, " n"]) -> Slices:
    """Compare the images of each value with those of all other values; images without one are left out."""
    from scipy.stats import fisher_exact  # takes half a second, which only comparisons pay

    listed = np.array([value is not None for value in values])
    total, right = int(listed.sum()), int(correct[listed].sum())
    found: dict[str, tuple[int, int]] = {}
    for value, good in zip(values, correct.tolist(), strict=True):
        if value is not None:
            n, hits = found.get(value, (0, 0))
            found[value] = n + 1, hits + good
    tests = {
        value: float(fisher_exact([[hits, n - hits], [right - hits, total - n - right + hits]]).pvalue)
        for value, (n, hits) in found.items()
        if n < total
    }
    adjusted = holm(tests)
    rows = []
    for value, (n, hits) in sorted(found.items(), key=lambda item: (-item[1][0], item[0])):
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
    """Return the interval of the difference of two shares (right, of all) of different samples (Newcombe 1998, 10)."""
    (a, n), (b, m) = first, second
    low1, high1 = wilson_interval(a, n, level)
    low2, high2 = wilson_interval(b, m, level)
    p, q = a / n, b / m
    below = float(np.hypot(p - low1, high2 - q))
    return p - q - below, p - q + float(np.hypot(high1 - p, q - low2))


def holm(tests: Mapping[str, float]) -> dict[str, float]:
    """Return p values that may be read as if there were one test (Holm 1979)."""
    found: dict[str, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(tests.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, p * (len(tests) - rank)))
        found[name] = highest
    return found
