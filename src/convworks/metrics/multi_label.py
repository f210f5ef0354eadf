"""Multi-label metrics as pure functions; rates are fractions in 0..1."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64

from convworks.metrics.classification import PerClass, ratio

#: Classes with at least this probability are predicted.
THRESHOLD = 0.5


def average_precision(scores: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]) -> float:
    """Return the average precision: precision at each score, weighted by the gain in recall; nan without positives.

    Equal scores form one threshold, as in scikit-learn's average_precision_score; there is no interpolation.
    """
    if not labels.any():
        return float("nan")
    order = np.argsort(-scores)
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # of each group of equal scores
    true_positives = np.cumsum(labels[order])[last]
    new_positives = np.diff(true_positives, prepend=0)
    return float((new_positives * true_positives / (last + 1)).sum() / labels.sum())


def average_precisions(scores: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> Float64[np.ndarray, " k"]:
    """Return the average precision of every class, nan for classes without positives."""
    return np.array([average_precision(*pair) for pair in zip(scores.T, labels.T, strict=True)], dtype=np.float64)


def mean_average_precision(scores: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> float:
    """Return the mean average precision over the classes with positives; 0 without any."""
    precisions = average_precisions(scores, labels)
    return float(precisions[~np.isnan(precisions)].mean()) if not np.isnan(precisions).all() else 0.0


def per_class(predicted: Bool[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> PerClass:
    """Return precision, recall, F1 and the number of positive samples of every class."""
    correct, support, predicted_counts = (predicted & labels).sum(0), labels.sum(0), predicted.sum(0)
    return PerClass(
        precision=ratio(correct, predicted_counts),
        recall=ratio(correct, support),
        f1=ratio(2 * correct, support + predicted_counts),
        support=support.astype(np.int64),
    )


def micro_f1(predicted: Bool[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> float:
    """Return F1 over all samples and classes together; 0 without labels and predictions."""
    return float(ratio([2 * (predicted & labels).sum()], [predicted.sum() + labels.sum()])[0])


def macro_f1(predicted: Bool[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> float:
    """Return the mean F1 of the classes that occur as labels or predictions; 0 if none does."""
    occurs = predicted.any(0) | labels.any(0)
    return float(per_class(predicted, labels).f1[occurs].mean()) if occurs.any() else 0.0


def exact_match(predicted: Bool[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> float:
    """Return the fraction of samples whose set of predicted classes equals the true one (subset accuracy)."""
    return float((predicted == labels).all(1).mean())
