"""How well scores put the samples of a class before the others: receiver operating characteristic, precision-recall.

Equal scores come together, as in scikit-learn: a curve has one point for each score that occurs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from convworks.metrics.classification import ratio

#: Where the curves of several classes are read off, to average them and to draw them: finer towards the ends.
ENDS = ((0.0, 1.0), (0.0, 0.1), (0.0, 0.01), (0.9, 1.0), (0.99, 1.0))
GRID = np.unique(np.concatenate([np.linspace(low, high, 101) for low, high in ENDS]).round(12))


@dataclass(frozen=True, kw_only=True)
class RankingCurve:
    """How many samples of a class, and how many others, have at least each score; the highest score first.

    `thresholds` are the scores; `found` and `false` count from 0, one entry more, which stands for no sample at all.
    """

    thresholds: Float[np.ndarray, " m"]
    found: Int64[np.ndarray, " points"]
    false: Int64[np.ndarray, " points"]

    @property
    def true_positive_rate(self) -> Float64[np.ndarray, " points"]:
        """Recall: the share of the class's samples that is found; 0 where there is none."""
        return ratio(self.found, np.full(len(self.found), self.found[-1]))

    @property
    def false_positive_rate(self) -> Float64[np.ndarray, " points"]:
        """The share of the other samples that is taken for the class; 0 where there is none."""
        return ratio(self.false, np.full(len(self.false), self.false[-1]))

    @property
    def precision(self) -> Float64[np.ndarray, " points"]:
        """The share of what is taken for the class that belongs to it; 1 where nothing is taken."""
        return np.where(self.found + self.false > 0, ratio(self.found, self.found + self.false), 1.0)

    @property
    def defined(self) -> bool:
        """Whether there are samples of the class and others."""
        return bool(self.found[-1] and self.false[-1])

    @property
    def area(self) -> float:
        """The area below the receiver operating characteristic; nan without samples of the class, or without others."""
        if not self.defined:
            return float("nan")
        return float(np.trapezoid(self.true_positive_rate, self.false_positive_rate))

    @property
    def average_precision(self) -> float:
        """The precision at each score, weighted by the recall that it adds; nan without samples of the class."""
        if not self.found[-1]:
            return float("nan")
        return float((np.diff(self.found) * self.precision[1:]).sum() / self.found[-1])

    def roc(self) -> Float64[np.ndarray, " grid"]:
        """Return the true positive rate at the false positive rates of GRID, on straight lines between the points."""
        rate, last = self.false_positive_rate, np.append(np.diff(self.false) > 0, True)  # the top of each step upward
        return np.asarray(np.interp(GRID, rate[last], self.true_positive_rate[last]))

    def precision_at_recall(self) -> Float64[np.ndarray, " grid"]:
        """Return the precision at the first score that reaches each recall of GRID."""
        at = np.searchsorted(self.true_positive_rate, GRID - 1e-12).clip(1, len(self.found) - 1)
        found: Float64[np.ndarray, " grid"] = self.precision[at]
        return found


def ranking_curve(scores: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]) -> RankingCurve:
    """Count the samples of a class (`labels`) and the others from the highest score down; at least one sample."""
    order = np.argsort(-scores)  # equal ones in any order: they count together
    ordered = scores[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(scores) - 1)  # of each group of equal scores
    found = np.cumsum(labels[order], dtype=np.int64)[last]
    return RankingCurve(
        thresholds=ordered[last],
        found=np.append(0, found),
        false=np.append(0, last + 1 - found),
    )


def one_against_rest(labels: Int64[np.ndarray, " n"], classes: int) -> Bool[np.ndarray, "n k"]:
    """Return for each sample and class whether it is that class."""
    return np.asarray(labels[:, None] == np.arange(classes))


def ranked_classes(classes: int) -> list[int]:
    """Return the classes whose ranking is looked at: of two the second, which says all of the first too; else all."""
    return [1] if classes == 2 else list(range(classes))


def mean_scores(scores: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> tuple[float, float]:
    """Return the mean area and the mean average precision of the classes that have them (macro average), else nan.

    Of two classes that exclude each other give the second alone.
    """
    curves = [ranking_curve(*pair) for pair in zip(scores.T, labels.T, strict=True)]
    return mean_defined([curve.area for curve in curves]), mean_defined([curve.average_precision for curve in curves])


def mean_defined(values: Sequence[float]) -> float:
    """Return the mean of the values that are numbers, nan where none is."""
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan
