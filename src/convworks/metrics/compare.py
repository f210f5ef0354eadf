"""Comparison of two networks, or of two ways to evaluate one, on the same samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float64

from convworks.errors import InputError
from convworks.metrics.bootstrap import bootstrap
from convworks.metrics.weighted import means


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How the second differs from the first: `gained` samples are correct only in it, `lost` only in the first.

    `difference` is that of the accuracies, with its `interval`; `p` is that of McNemar's exact test (1947).
    """

    gained: int
    lost: int
    difference: float
    interval: tuple[float, float]
    p: float


def compare(first: Bool[np.ndarray, " n"], second: Bool[np.ndarray, " m"], *, level: float = 0.95) -> Comparison:
    """Compare the correctness of two networks per sample; raises InputError unless the samples are the same."""
    if first.shape != second.shape or len(first) == 0:
        reason = f"hold {len(first)} and {len(second)} samples"
        raise InputError("compare", reason, "give predictions for the same samples, at least one")
    from scipy.stats import binomtest  # importing it takes half a second

    gained, lost, n = int((~first & second).sum()), int((first & ~second).sum()), len(first)
    difference, changed = (gained - lost) / n, gained + lost
    # The variance of a difference of paired proportions.
    half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(changed - (gained - lost) ** 2 / n) / n
    return Comparison(
        gained=gained,
        lost=lost,
        difference=difference,
        interval=(max(-1.0, difference - half), min(1.0, difference + half)),
        p=float(binomtest(gained, changed).pvalue) if changed else 1.0,
    )


@dataclass(frozen=True, kw_only=True)
class ScoreComparison:
    """How the second differs from the first by a score of each sample: `better` samples, `worse` and `equal` ones.

    `difference` is the mean of the differences, with its bootstrap `interval`, which one sample does not have; `p` is
    that of Wilcoxon's signed-rank test (1945).
    """

    better: int
    worse: int
    equal: int
    difference: float
    interval: tuple[float, float] | None
    p: float


def compare_scores(first: Float64[np.ndarray, " n"], second: Float64[np.ndarray, " n"]) -> ScoreComparison:
    """Compare the scores of two networks per sample, which are defined and of the same samples; at least one."""
    from scipy.stats import wilcoxon  # importing it takes half a second

    changes = second - first
    ends = bootstrap(lambda counts: {"difference": means(counts, changes)}, len(changes))["difference"]
    return ScoreComparison(
        better=int((changes > 0).sum()),
        worse=int((changes < 0).sum()),
        equal=int((changes == 0).sum()),
        difference=float(changes.mean()),
        interval=ends,
        p=float(wilcoxon(changes).pvalue) if changes.any() else 1.0,
    )
