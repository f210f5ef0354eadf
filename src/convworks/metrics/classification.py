"""Classification metrics as pure functions of labels and probabilities; rates are fractions in 0..1."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64

from convworks.errors import InputError

#: Counts per class along the last axis; other axes are resamples (metrics/bootstrap.py).
Counts = Int64[np.ndarray, "*draws k"] | Float64[np.ndarray, "*draws k"]
#: Lower bound of the true class's probability, so that the loss stays finite after underflow (at most 87.3).
SMALLEST = float(np.finfo(np.float32).tiny)


def top_k_accuracy(probabilities: Float[np.ndarray, "n k"], labels: Int64[np.ndarray, " n"], k: int) -> float:
    """Return the fraction of samples whose true class is among the k most probable; ties go to the first class."""
    classes = probabilities.shape[1]
    if not 1 <= k <= classes:
        raise InputError("top_k_accuracy", f"k={k} must lie between 1 and the number of classes {classes}", "lower k")
    true_class = probabilities[np.arange(len(labels)), labels][:, None]
    tied_before = (probabilities == true_class) & (np.arange(classes) < labels[:, None])
    rank = ((probabilities > true_class) | tied_before).sum(1)
    return float((rank < k).mean())


def confusion_matrix(
    labels: Int64[np.ndarray, " n"], predicted: Int64[np.ndarray, " n"], classes: int
) -> Int64[np.ndarray, "k k"]:
    """Count samples by true class (row) and predicted class (column)."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class PerClass:
    """Precision, recall and F1 of each of k classes (0 if undefined), and its number of samples."""

    precision: Float64[np.ndarray, " k"]
    recall: Float64[np.ndarray, " k"]
    f1: Float64[np.ndarray, " k"]
    support: Int64[np.ndarray, " k"]


def per_class(matrix: Int64[np.ndarray, "k k"]) -> PerClass:
    """Return precision, recall, F1 and support of every class of a confusion matrix."""
    correct, support, predicted = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    return PerClass(
        precision=ratio(correct, predicted),
        recall=ratio(correct, support),
        f1=ratio(2 * correct, support + predicted),
        support=support,
    )


def balanced_accuracy(matrix: Int64[np.ndarray, "k k"]) -> float:
    """Return the mean recall of the classes that have samples."""
    return float(mean_recall(matrix.diagonal(), matrix.sum(1)))


def mean_recall(right: Counts, support: Counts) -> Float64[np.ndarray, " *draws"]:
    """Return the mean recall over the classes with samples; nan if there are none."""
    return mean_ratio(right, support)


def mean_ratio(top: Counts, bottom: Counts) -> Float64[np.ndarray, " *draws"]:
    """Return the mean over the last axis of the ratios with non-zero denominators; nan if there are none."""
    top, bottom = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
    ratios = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    count = (bottom > 0).sum(-1)
    return np.asarray(np.divide(ratios.sum(-1), count, out=np.full(count.shape, np.nan), where=count > 0))


def macro_f1(matrix: Int64[np.ndarray, "k k"]) -> float:
    """Return the mean F1 of the classes that occur, as labels or as predictions."""
    return float(mean_ratio(2 * matrix.diagonal(), matrix.sum(0) + matrix.sum(1)))


def negative_log_likelihood(probabilities: Float[np.ndarray, "n k"], labels: Int64[np.ndarray, " n"]) -> float:
    """Return the mean of -ln p(true class), in nats."""
    true_class = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return abs(float(np.log(true_class.clip(SMALLEST, 1)).mean()))


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Reliability of the samples in equal-width bins (lower, upper] of confidence; means of an empty bin are 0."""

    edges: Float64[np.ndarray, " edges"]
    confidence: Float64[np.ndarray, " bins"]
    accuracy: Float64[np.ndarray, " bins"]
    count: Int64[np.ndarray, " bins"]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean of |accuracy - confidence| over the bins, weighted by count."""
        return float((self.count * abs(self.accuracy - self.confidence)).sum() / self.count.sum())


def calibration(
    probabilities: Float[np.ndarray, "n k"], labels: Int64[np.ndarray, " n"], *, bins: int = 15
) -> Calibration:
    """Compare the predicted class's probability with its accuracy (Guo et al. 2017, section 2)."""
    confidence = probabilities.max(1).astype(np.float64).clip(0, 1)
    correct = (probabilities.argmax(1) == labels).astype(np.float64)
    index = calibration_bins(confidence, bins)
    count = np.bincount(index, minlength=bins).astype(np.int64)
    return calibration_of(count, np.bincount(index, confidence, bins), np.bincount(index, correct, bins))


def calibration_of(
    count: Int64[np.ndarray, " bins"], confidence: Float64[np.ndarray, " bins"], correct: Any
) -> Calibration:
    """Return the calibration from the sums over each bin: samples, confidence, and correct ones."""
    return Calibration(
        edges=np.linspace(0, 1, len(count) + 1),
        confidence=ratio(confidence, count),
        accuracy=ratio(correct, count),
        count=count,
    )


def calibration_bins(confidence: Float[np.ndarray, " n"], bins: int = 15) -> Int64[np.ndarray, " n"]:
    """Return the index of the equal-width bin (lower, upper] of each confidence."""
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    return np.searchsorted(inner, confidence.astype(np.float64).clip(0, 1), side="left").astype(np.int64)


def wilson_interval(correct: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a proportion (Wilson 1927), which lies within 0..1."""
    if not 0 <= correct <= n or n < 1 or not 0 < level < 1:
        raise InputError(
            "wilson_interval",
            f"correct={correct}, n={n}, level={level} must hold 0 <= correct <= n, n >= 1, 0 < level < 1",
            "correct the counts",
        )
    z = NormalDist().inv_cdf((1 + level) / 2)
    fraction, weight = correct / n, 1 + z * z / n
    centre = (fraction + z * z / (2 * n)) / weight
    half = z * (fraction * (1 - fraction) / n + z * z / (4 * n * n)) ** 0.5 / weight
    # With none and with all correct, the bounds are exactly 0 and 1, despite rounding.
    return (0.0 if correct == 0 else centre - half), (1.0 if correct == n else centre + half)


def confused_pairs(matrix: Int64[np.ndarray, "k k"], limit: int) -> list[tuple[int, int, int]]:
    """Return (true class, predicted class, count) of the most frequent confusions, most frequent first."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    rows, columns = np.nonzero(wrong)
    counts = wrong[rows, columns]
    order = np.argsort(-counts, kind="stable")[:limit]
    return [(int(rows[i]), int(columns[i]), int(counts[i])) for i in order]


def ratio(top: Any, bottom: Any) -> Float64[np.ndarray, " k"]:
    """Divide, with 0 where the denominator is 0 (scikit-learn's zero_division=0)."""
    top, bottom = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
    quotient: Float64[np.ndarray, " k"] = np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)
    return quotient
