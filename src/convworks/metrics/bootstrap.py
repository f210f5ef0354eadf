"""Intervals of what has no formula: the samples drawn again and again (Efron and Tibshirani 1993, chapter 13).

A draw is told by how often it holds each sample, not by a list of samples: sums over draws are then sums over weights,
and all draws are computed together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float32, Float64, Int64

from convworks.errors import InputError

Interval = tuple[float, float]
#: How often each draw (row) holds each sample (column).
Counts = Float32[np.ndarray, "r n"]
#: The value of each draw; nan where it has none.
Values = Float64[np.ndarray, " r"]

RESAMPLES = 1000
#: Draws are made and measured in pieces of about so many numbers, which a processor's cache holds.
PIECE = 1 << 20


def bootstrap(
    measure: Callable[[Counts], Mapping[str, Values]],
    n: int,
    *,
    strata: Int64[np.ndarray, " n"] | None = None,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Return the percentile interval of every value that `measure` finds; None for one that the samples do not have.

    Samples are drawn with replacement, n of them; with `strata` (a number for each sample) as many of each stratum as
    there are, so that no class is absent from a draw. An interval is moved by what the mean of the draws differs from
    the value of the samples themselves: equal samples flatter a ranking. The same seed gives the same draws.
    """
    if n < 1 or resamples < 1 or not 0 < level < 1:
        reason = f"n={n}, resamples={resamples}, level={level} must hold n >= 1, resamples >= 1, 0 < level < 1"
        raise InputError("bootstrap", reason, "correct them")
    generator = np.random.default_rng(seed)
    itself = measure(np.ones((1, n), np.float32))
    pieces: dict[str, list[Values]] = {name: [] for name in itself}
    step = max(1, PIECE // n)
    for first in range(0, resamples, step):
        for name, values in measure(draws(n, min(step, resamples - first), generator, strata)).items():
            pieces[name].append(values)
    return {name: percentiles(np.concatenate(pieces[name]), float(value[0]), level) for name, value in itself.items()}


def draws(
    n: int, resamples: int, generator: np.random.Generator, strata: Int64[np.ndarray, " n"] | None = None
) -> Counts:
    """Draw n of n samples with replacement, `resamples` times, of each stratum as many as it has."""
    sizes = np.array([n]) if strata is None else np.unique(strata, return_counts=True)[1]
    size, start = np.repeat(sizes, sizes), np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = start + (generator.random((resamples, n)) * size).astype(np.int64)
    chosen += n * np.arange(resamples)[:, None]
    counted = np.bincount(chosen.ravel(), minlength=n * resamples).reshape(resamples, n).astype(np.float32)
    if strata is None:
        return counted
    place = np.empty(n, np.int64)  # of each sample when they are sorted by stratum
    place[np.argsort(strata, kind="stable")] = np.arange(n)
    return np.take(counted, place, axis=1)


def percentiles(values: Values, itself: float, level: float) -> Interval | None:
    """Return the ends that leave out the same share of the values on both sides, moved to have the mean `itself`."""
    known = values[~np.isnan(values)]
    if not len(known) or np.isnan(itself):
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]) + (itself - known.mean())
    return float(low), float(high)
