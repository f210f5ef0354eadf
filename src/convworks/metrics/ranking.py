"""Ranking metrics of scores: receiver operating characteristic and precision-recall curves.

Equal scores form one threshold, as in scikit-learn: a curve has one point for each distinct score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from convworks.metrics.classification import ratio

#: Positions at which curves are sampled for averaging and drawing; finer towards the ends.
ENDS = ((0.0, 1.0), (0.0, 0.1), (0.0, 0.01), (0.9, 1.0), (0.99, 1.0))
#: Corners of a curve: more than pixels add nothing.
MOST_CORNERS = 2_000
GRID = np.unique(np.concatenate([np.linspace(low, high, 101) for low, high in ENDS]).round(12))


@dataclass(frozen=True, kw_only=True)
class RankingCurve:
    """True and false positives of a class at each threshold, the highest first.

    `thresholds` are the distinct scores; the counts have one more entry at the beginning, 0, for no predictions.
    """

    thresholds: Float[np.ndarray, " m"]
    true_positives: Int64[np.ndarray, " points"]
    false_positives: Int64[np.ndarray, " points"]

    @property
    def true_positive_rate(self) -> Float64[np.ndarray, " points"]:
        """Recall: the fraction of the class's samples at or above each threshold; 0 if there are none."""
        return ratio(self.true_positives, np.full(len(self.true_positives), self.true_positives[-1]))

    @property
    def false_positive_rate(self) -> Float64[np.ndarray, " points"]:
        """The fraction of the other samples at or above each threshold; 0 if there are none."""
        return ratio(self.false_positives, np.full(len(self.false_positives), self.false_positives[-1]))

    @property
    def precision(self) -> Float64[np.ndarray, " points"]:
        """The fraction of the class's samples among those at or above each threshold; 1 without predictions."""
        return np.where(
            self.true_positives + self.false_positives > 0,
            ratio(self.true_positives, self.true_positives + self.false_positives),
            1.0,
        )

    @property
    def defined(self) -> bool:
        """Whether there are both positive and negative samples."""
        return bool(self.true_positives[-1] and self.false_positives[-1])

    @property
    def area(self) -> float:
        """The area under the receiver operating characteristic; nan without positive or without negative samples."""
        if not self.defined:
            return float("nan")
        return float(np.trapezoid(self.true_positive_rate, self.false_positive_rate))

    @property
    def average_precision(self) -> float:
        """The precision at each threshold, weighted by the gain in recall; nan without positive samples."""
        if not self.true_positives[-1]:
            return float("nan")
        return float((np.diff(self.true_positives) * self.precision[1:]).sum() / self.true_positives[-1])

    def roc(self) -> Float64[np.ndarray, " grid"]:
        """Return the true positive rates at the false positive rates of GRID, by linear interpolation."""
        rate, last = (
            self.false_positive_rate,
            np.append(np.diff(self.false_positives) > 0, True),
        )  # the last point of each vertical segment
        return np.asarray(np.interp(GRID, rate[last], self.true_positive_rate[last]))

    def stairs(self) -> Float64[np.ndarray, "corners 2"]:
        """Return the corners of the receiver operating characteristic, at most about 2,000.

        Each is (false positive rate, true positive rate). Samples of one score make a slope, as for the area; of more
        corners those are left out that lie within a thousandth of one before.
        """
        points = np.stack([self.false_positive_rate, self.true_positive_rate], 1)
        steps = np.diff(points, axis=0)
        turns = np.ones(len(points), bool)
        turns[1:-1] = np.abs(steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]) > 0
        corners: Float64[np.ndarray, "corners 2"] = points[turns]
        if len(corners) > MOST_CORNERS:
            first = np.unique((corners * (MOST_CORNERS // 2)).astype(int), axis=0, return_index=True)[1]
            corners = corners[np.union1d(first, [len(corners) - 1])]
        return corners

    def precision_at_recall(self) -> Float64[np.ndarray, " grid"]:
        """Return the precision at the first threshold that reaches each recall of GRID."""
        indices = np.searchsorted(self.true_positive_rate, GRID - 1e-12).clip(1, len(self.true_positives) - 1)
        precision: Float64[np.ndarray, " grid"] = self.precision[indices]
        return precision


def ranking_curve(scores: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]) -> RankingCurve:
    """Return the ranking curve of a class, given its scores and its binary labels for at least one sample."""
    order = np.argsort(-scores)  # ties in any order: they form one threshold
    ordered = scores[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(scores) - 1)  # of each group of equal scores
    true_positives = np.cumsum(labels[order], dtype=np.int64)[last]
    return RankingCurve(
        thresholds=ordered[last],
        true_positives=np.append(0, true_positives),
        false_positives=np.append(0, last + 1 - true_positives),
    )


def one_against_rest(labels: Int64[np.ndarray, " n"], classes: int) -> Bool[np.ndarray, "n k"]:
    """Return the one-hot matrix of labels as booleans."""
    return np.asarray(labels[:, None] == np.arange(classes))


def ranked_classes(classes: int) -> list[int]:
    """Return the classes to rank: all, but of two only the second, whose ranking is equivalent to that of the first."""
    return [1] if classes == 2 else list(range(classes))


def mean_scores(scores: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> tuple[float, float]:
    """Return mean area and mean average precision over the classes for which they are defined (macro average), or nan.

    For two exclusive classes, pass the second alone.
    """
    curves = [ranking_curve(*pair) for pair in zip(scores.T, labels.T, strict=True)]
    return mean_defined([curve.area for curve in curves]), mean_defined([curve.average_precision for curve in curves])


def mean_defined(values: Sequence[float]) -> float:
    """Return the mean of the values that are not nan, or nan if there are none."""
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan
