"""Comparison of two networks, or of two ways to evaluate one, on the same samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool

from convworks.errors import InputError


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
