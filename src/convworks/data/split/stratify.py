"""Stratified sampling by a seed: the samples of a validation set or of folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, Int64, UInt64

from convworks.data.labels import Labels, count, has_label_sets
from convworks.data.split.iterative import apportion


def choose_stratified(
    labels: Labels, names: Sequence[str], classes: int, *, fraction: float, limit: int | None, seed: int
) -> Bool[np.ndarray, " n"]:
    """Mark a stratified fraction of the samples, at most `limit`, by the seed and the names alone.

    Every class has at least one sample marked and one unmarked, even if that exceeds `limit`. With label sets,
    proportions are approximate, and a class of few samples may be on one side only.
    """
    counts = count(labels, classes)
    if not has_label_sets(labels):
        return choose(labels, names, class_quotas(counts, fraction, limit), seed)
    total = max(1.0, min(fraction * len(labels), limit or len(labels)))
    marked = np.clip(counts * (total / len(labels)), np.minimum(1, counts), np.maximum(counts - 1, 0))
    targets = np.stack([counts - marked, marked])
    sizes = np.array([len(labels) - total, total], dtype=np.float64)
    keys = sample_keys(names, seed)
    chosen = np.asarray(apportion(labels, targets, sizes, keys) == 1)
    return chosen if limit is None else _at_most(limit, chosen, labels, keys)


def _at_most(
    limit: int, chosen: Bool[np.ndarray, " n"], labels: Bool[np.ndarray, "n k"], keys: UInt64[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Reduce the choice to `limit` samples, dropping those of the most frequent classes first.

    The last sample of a class is kept. Excess arises when samples chosen for rare classes also show frequent ones.
    """
    chosen = chosen.copy()
    counts = labels[chosen].sum(0)
    while chosen.sum() > limit:
        removable = chosen & ~(labels & (counts <= 1)).any(1)
        if not removable.any():
            break
        rarest = np.where(labels, counts, len(labels)).min(1)
        candidates = np.flatnonzero(removable & (rarest == rarest[removable].max()))
        last = candidates[np.argmax(keys[candidates])]
        chosen[last] = False
        counts = counts - labels[last]
    return chosen


def assign_parts(
    labels: Bool[np.ndarray, "n k"], names: Sequence[str], parts: int, seed: int
) -> Int64[np.ndarray, " n"]:
    """Assign samples with label sets to `parts` equal parts, numbered from 0."""
    targets = np.tile(labels.sum(0) / parts, (parts, 1))
    return apportion(labels, targets, np.full(parts, len(labels) / parts), sample_keys(names, seed))


def sample_keys(names: Sequence[str], seed: int) -> UInt64[np.ndarray, " n"]:
    """Return a pseudorandom number for each sample, by the seed and the order of the names alone."""
    order = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
    keys = np.empty(len(order), dtype=np.uint64)
    keys[order] = mix(np.arange(len(order), dtype=np.uint64), seed)
    return keys


def choose(
    labels: Int64[np.ndarray, " n"], names: Sequence[str], quotas: Int[np.ndarray, " k"], seed: int
) -> Bool[np.ndarray, " n"]:
    """Mark `quotas[label]` samples of each class, by the seed and the order of the names alone."""
    keys = sample_keys(names, seed)
    chosen = np.zeros(len(keys), dtype=bool)
    for label, quota in enumerate(quotas):
        members = np.flatnonzero(labels == label)
        chosen[members[np.argsort(keys[members], kind="stable")[:quota]]] = True
    return chosen


def class_quotas(counts: Int64[np.ndarray, " k"], fraction: float, limit: int | None) -> Int64[np.ndarray, " k"]:
    """Divide a fraction of all samples among the classes by largest remainder, from 1 to count - 1 each.

    The sum is round(fraction * n), at most `limit`, but at least one per class.
    """
    total = round(fraction * int(counts.sum()))
    total = max(len(counts), total if limit is None else min(total, limit))
    exact = counts * (total / counts.sum())
    quotas: np.ndarray = np.floor(exact).astype(np.int64)
    quotas[np.argsort(quotas - exact, kind="stable")[: total - int(quotas.sum())]] += 1
    quotas = np.clip(quotas, 1, counts - 1)
    while quotas.sum() > total:  # tiny classes were raised to 1: reduce those furthest above their exact quota
        quotas[np.argmax(np.where(quotas > 1, quotas - exact, -np.inf))] -= 1
    return quotas


def mix(values: UInt64[np.ndarray, " n"], seed: int) -> UInt64[np.ndarray, " n"]:
    """Hash integers with splitmix64, which, unlike NumPy's generators, is the same in every version."""
    state = values + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x5851F42D4C957F2D) % 2**64)
    for _ in range(2):
        state = state * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return np.asarray(state, dtype=np.uint64)
