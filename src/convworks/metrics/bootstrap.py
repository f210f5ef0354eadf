"""Bootstrap intervals for metrics without a formula (Efron and Tibshirani 1993, chapter 13).

A resample is represented by how often it contains each sample, not by a list of samples: metrics are then weighted
sums, and all resamples are computed together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float32, Float64, Int64

from convworks.errors import InputError

Interval = tuple[float, float]
#: How often each resample (row) contains each sample (column).
Counts = Float32[np.ndarray, "r n"]
#: The value of each resample; nan if undefined.
Values = Float64[np.ndarray, " r"]

RESAMPLES = 1000
#: Resamples are processed in pieces of about this many numbers, which fit in a CPU's cache.
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
    """Return the percentile interval of every value that `measure` returns; None for an undefined value.

    Of one sample, or of one of each stratum, every resample is the sample itself: there is no interval.

    n samples are drawn with replacement; with `strata` (a number for each sample) as many of each stratum as it has, so
    that no class is missing in a resample. Intervals are corrected for bias, the difference between the mean over the
    resamples and the value of the original samples: repeated samples flatter a ranking. The same seed gives the same
    resamples.
    """
    if n < 1 or resamples < 1 or not 0 < level < 1:
        reason = f"n={n}, resamples={resamples}, level={level} must hold n >= 1, resamples >= 1, 0 < level < 1"
        raise InputError("bootstrap", reason, "correct them")
    generator = np.random.default_rng(seed)
    itself = measure(np.ones((1, n), np.float32))
    if n == (1 if strata is None else len(np.unique(strata))):
        return dict.fromkeys(itself)
    pieces: dict[str, list[Values]] = {name: [] for name in itself}
    step = max(1, PIECE // n)
    for first in range(0, resamples, step):
        for name, values in measure(draws(n, min(step, resamples - first), generator, strata)).items():
            pieces[name].append(values)
    return {name: percentiles(np.concatenate(pieces[name]), float(value[0]), level) for name, value in itself.items()}


def draws(
    n: int, resamples: int, generator: np.random.Generator, strata: Int64[np.ndarray, " n"] | None = None
) -> Counts:
    """Draw n of n samples with replacement, `resamples` times, as many of each stratum as it has."""
    sizes = np.array([n]) if strata is None else np.unique(strata, return_counts=True)[1]
    size, start = np.repeat(sizes, sizes), np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = start + (generator.random((resamples, n)) * size).astype(np.int64)
    chosen += n * np.arange(resamples)[:, None]
    counts = np.bincount(chosen.ravel(), minlength=n * resamples).reshape(resamples, n).astype(np.float32)
    if strata is None:
        return counts
    positions = np.empty(n, np.int64)  # of the samples when sorted by stratum
    positions[np.argsort(strata, kind="stable")] = np.arange(n)
    return np.take(counts, positions, axis=1)


def percentiles(values: Values, itself: float, level: float) -> Interval | None:
    """Return the central interval that contains the fraction `level` of the values, shifted to the mean `itself`."""
    defined = values[~np.isnan(values)]
    if not len(defined) or np.isnan(itself):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]) + (itself - defined.mean())
    return float(low), float(high)
