"""Figures of merit of many draws at once: each sample counts as often as a draw holds it (metrics/bootstrap.py)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from convworks.metrics.bootstrap import Counts, Values
from convworks.metrics.classification import mean_ratio, mean_recall

Sums = Float64[np.ndarray, "r k"]


def group_sums(counts: Float[np.ndarray, "r n"], groups: Int64[np.ndarray, " n"], k: int) -> Sums:
    """Add the columns of each of k groups."""
    found = np.zeros((len(counts), k))
    if len(groups):
        order = np.argsort(groups, kind="stable")
        present, first = np.unique(groups[order], return_index=True)
        found[:, present] = np.add.reduceat(np.take(counts, order, axis=1), first, axis=1)
    return found


def class_scores(
    counts: Counts, labels: Int64[np.ndarray, " n"], predicted: Int64[np.ndarray, " n"], k: int
) -> dict[str, Values]:
    """Return balanced accuracy and macro F1 of every draw, each over the classes that the draw has."""
    right = labels == predicted
    found, support = group_sums(counts[:, right], labels[right], k), group_sums(counts, labels, k)
    answers = group_sums(counts, predicted, k)
    return {"balanced_accuracy": mean_recall(found, support), "macro_f1": mean_ratio(2 * found, support + answers)}


def label_scores(
    counts: Counts, labels: Bool[np.ndarray, "n k"], predicted: Bool[np.ndarray, "n k"]
) -> dict[str, Values]:
    """Return micro and macro F1 of every draw, where samples show any number of classes; 0 where there is nothing."""
    found, support, answers = (
        (counts @ each.astype(np.float32)).astype(np.float64) for each in (predicted & labels, labels, predicted)
    )
    total = support + answers
    micro = np.divide(2 * found.sum(1), total.sum(1), out=np.zeros(len(counts)), where=total.sum(1) > 0)
    return {"micro_f1": micro, "macro_f1": np.nan_to_num(mean_ratio(2 * found, total))}


def means(counts: Counts, values: Float[np.ndarray, " n"]) -> Values:
    """Return the mean of a value of each sample, for every draw."""
    return np.asarray(counts @ values.astype(np.float64) / counts.sum(1, dtype=np.float64))


def calibration_errors(
    counts: Counts, confidence: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"], bins: Int64[np.ndarray, " n"]
) -> Values:
    """Return the expected calibration error of every draw, given the bin of each sample."""
    gaps = group_sums(counts * (correct - confidence.astype(np.float64)), bins, int(bins.max()) + 1)
    return np.asarray(abs(gaps).sum(1) / counts.sum(1, dtype=np.float64))


class Ranks:
    """The order of the scores of one class, found once for all draws."""

    def __init__(self, scores: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]) -> None:
        self.order = np.argsort(-scores).astype(np.int32)  # half the memory, for a thousand classes
        ordered, shown = scores[self.order], labels[self.order]
        start = np.append(0, np.flatnonzero(np.diff(ordered)) + 1)  # of each group of equal scores
        end = np.append(start[1:], len(scores))
        self.positive = np.flatnonzero(shown)
        held = np.repeat(np.arange(len(start)), end - start)[self.positive]
        #: Of each group that holds samples of the class: the first of these among them all.
        self.first = np.flatnonzero(np.diff(held, prepend=-1))
        groups = held[self.first]
        #: Where sums are needed: at the ends of those groups. All else is added up between them.
        self.bounds = np.unique(np.concatenate(([0], start[groups], end[groups])))
        self.begin, self.end = np.searchsorted(self.bounds, start[groups]), np.searchsorted(self.bounds, end[groups])

    def measure(self, counts: Counts) -> tuple[Values, Values]:
        """Return area below the receiver operating characteristic and average precision of every draw.

        Both are nan for a draw without samples of the class, the area also for one without others.
        """
        if not len(self.positive):
            return np.full(len(counts), np.nan), np.full(len(counts), np.nan)
        ordered = np.take(counts, self.order, axis=1)
        own = np.add.reduceat(np.take(ordered, self.positive, axis=1), self.first, axis=1)
        inside = self.bounds[self.bounds < len(self.order)]
        before = np.zeros((len(counts), len(inside) + 1), np.float32)  # exact up to 16 million samples
        np.cumsum(np.add.reduceat(ordered, inside, axis=1), axis=1, out=before[:, 1:])
        upto, begin = np.take(before, self.end, axis=1), np.take(before, self.begin, axis=1)
        found = np.cumsum(own, axis=1)
        positives = found[:, -1].astype(np.float64)
        others = before[:, -1] - positives
        # Others of a higher score, and half of those of the same.
        above = (upto - found + begin - (found - own)) / 2
        area = 1 - _divided(_divided(_product(own, above), positives), others)
        precision = np.divide(found, upto, out=np.zeros_like(found), where=upto > 0)
        return area, _divided(_product(own, precision), positives)


def _product(weights: Float32[np.ndarray, "r p"], values: Float32[np.ndarray, "r p"]) -> Values:
    return np.asarray(np.einsum("rp,rp->r", weights, values, dtype=np.float64))


def _divided(top: Values, bottom: Float64[np.ndarray, " r"] | Int64[np.ndarray, " r"]) -> Values:
    """Divide, giving nan where the bottom is 0."""
    found: Values = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
    return found
