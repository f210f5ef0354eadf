"""Metrics of many bootstrap resamples at once: samples are weighted by their counts (metrics/bootstrap.py)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from convworks.metrics.bootstrap import Counts, Values
from convworks.metrics.classification import mean_ratio, mean_recall

Sums = Float64[np.ndarray, "r k"]


def group_sums(counts: Float[np.ndarray, "r n"], groups: Int64[np.ndarray, " n"], k: int) -> Sums:
    """Sum the columns within each of k groups."""
    sums = np.zeros((len(counts), k))
    if len(groups):
        order = np.argsort(groups, kind="stable")
        present, first = np.unique(groups[order], return_index=True)
        sums[:, present] = np.add.reduceat(np.take(counts, order, axis=1), first, axis=1)
    return sums


def class_scores(
    counts: Counts, labels: Int64[np.ndarray, " n"], predicted: Int64[np.ndarray, " n"], k: int
) -> dict[str, Values]:
    """Return balanced accuracy and macro F1 of every resample, each over the classes that occur in it."""
    is_correct = labels == predicted
    correct, support = group_sums(counts[:, is_correct], labels[is_correct], k), group_sums(counts, labels, k)
    predictions = group_sums(counts, predicted, k)
    return {
        "balanced_accuracy": mean_recall(correct, support),
        "macro_f1": mean_ratio(2 * correct, support + predictions),
    }


def label_scores(
    counts: Counts, labels: Bool[np.ndarray, "n k"], predicted: Bool[np.ndarray, "n k"]
) -> dict[str, Values]:
    """Return multi-label micro and macro F1 of every resample; 0 without labels and predictions."""
    correct, support, predictions = (
        (counts @ each.astype(np.float32)).astype(np.float64) for each in (predicted & labels, labels, predicted)
    )
    total = support + predictions
    micro = np.divide(2 * correct.sum(1), total.sum(1), out=np.zeros(len(counts)), where=total.sum(1) > 0)
    return {"micro_f1": micro, "macro_f1": np.nan_to_num(mean_ratio(2 * correct, total))}


def means(counts: Counts, values: Float[np.ndarray, " n"]) -> Values:
    """Return the mean over the samples of every resample."""
    return np.asarray(counts @ values.astype(np.float64) / counts.sum(1, dtype=np.float64))


def calibration_errors(
    counts: Counts, confidence: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"], bins: Int64[np.ndarray, " n"]
) -> Values:
    """Return the expected calibration error of every resample, given the bin of each sample."""
    gaps = group_sums(counts * (correct - confidence.astype(np.float64)), bins, int(bins.max()) + 1)
    return np.asarray(abs(gaps).sum(1) / counts.sum(1, dtype=np.float64))


class Ranks:
    """The order of the scores of one class, computed once for all resamples."""

    def __init__(self, scores: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]) -> None:
        self.order = np.argsort(-scores).astype(np.int32)  # half the memory, for a thousand classes
        ordered, ordered_labels = scores[self.order], labels[self.order]
        start = np.append(0, np.flatnonzero(np.diff(ordered)) + 1)  # of each group of equal scores
        end = np.append(start[1:], len(scores))
        self.positive = np.flatnonzero(ordered_labels)
        held = np.repeat(np.arange(len(start)), end - start)[self.positive]
        #: For each group with positive samples: the index of the first one among all positives.
        self.first = np.flatnonzero(np.diff(held, prepend=-1))
        groups = held[self.first]
        #: Positions at which cumulative sums are needed: the bounds of those groups.
        self.bounds = np.unique(np.concatenate(([0], start[groups], end[groups])))
        self.begin, self.end = np.searchsorted(self.bounds, start[groups]), np.searchsorted(self.bounds, end[groups])

    def measure(self, counts: Counts) -> tuple[Values, Values]:
        """Return the area under the receiver operating characteristic and the average precision of every resample.

        Both are nan for a resample without positive samples, the area also for one without negative ones.
        """
        if not len(self.positive):
            return np.full(len(counts), np.nan), np.full(len(counts), np.nan)
        ordered = np.take(counts, self.order, axis=1)
        positive_counts = np.add.reduceat(np.take(ordered, self.positive, axis=1), self.first, axis=1)
        inside = self.bounds[self.bounds < len(self.order)]
        before = np.zeros((len(counts), len(inside) + 1), np.float32)  # exact up to 16 million samples
        np.cumsum(np.add.reduceat(ordered, inside, axis=1), axis=1, out=before[:, 1:])
        upto, begin = np.take(before, self.end, axis=1), np.take(before, self.begin, axis=1)
        true_positives = np.cumsum(positive_counts, axis=1)
        positives = true_positives[:, -1].astype(np.float64)
        others = before[:, -1] - positives
        # Negatives with a higher score, and half of those with the same.
        above = (upto - true_positives + begin - (true_positives - positive_counts)) / 2
        area = 1 - _divided(_divided(_product(positive_counts, above), positives), others)
        precision = np.divide(true_positives, upto, out=np.zeros_like(true_positives), where=upto > 0)
        return area, _divided(_product(positive_counts, precision), positives)


def _product(weights: Float32[np.ndarray, "r p"], values: Float32[np.ndarray, "r p"]) -> Values:
    return np.asarray(np.einsum("rp,rp->r", weights, values, dtype=np.float64))


def _divided(top: Values, bottom: Float64[np.ndarray, " r"] | Int64[np.ndarray, " r"]) -> Values:
    """Divide, with nan where the denominator is 0."""
    quotient: Values = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
    return quotient
