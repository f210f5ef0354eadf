"""Figures of merit where samples show any number of classes; every rate is a fraction in 0..1."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64

from convworks.metrics.classification import PerClass, ratio

#: A class of at least this probability is an answer, where each is asked for by itself.
THRESHOLD = 0.5


def average_precision(scores: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]) -> float:
    """Return the precision at each score, weighted by the recall that it adds; nan without a positive sample.

    Equal scores come together, as in scikit-learn's average_precision_score; nothing is interpolated.
    """
    if not labels.any():
        return float("nan")
    order = np.argsort(-scores)
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # of each group of equal scores
    found = np.cumsum(labels[order])[last]
    gained = np.diff(found, prepend=0)
    return float((gained * found / (last + 1)).sum() / labels.sum())


def average_precisions(scores: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> Float64[np.ndarray, " k"]:
    """Return the average precision of every class, nan for one that no sample shows."""
    return np.array([average_precision(*pair) for pair in zip(scores.T, labels.T, strict=True)], dtype=np.float64)


def mean_average_precision(scores: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> float:
    """Return the mean over the classes that some sample shows; 0 where none does."""
    found = average_precisions(scores, labels)
    return float(found[~np.isnan(found)].mean()) if not np.isnan(found).all() else 0.0


def per_class(predicted: Bool[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> PerClass:
    """Return precision, recall, F1 and the number of positive samples of every class."""
    right, support, answers = (predicted & labels).sum(0), labels.sum(0), predicted.sum(0)
    return PerClass(
        precision=ratio(right, answers),
        recall=ratio(right, support),
        f1=ratio(2 * right, support + answers),
        support=support.astype(np.int64),
    )


def micro_f1(predicted: Bool[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> float:
    """Return F1 over all answers together; 0 where nothing is shown and nothing predicted."""
    return float(ratio([2 * (predicted & labels).sum()], [predicted.sum() + labels.sum()])[0])


def macro_f1(predicted: Bool[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> float:
    """Return the mean F1 of the classes that are shown or predicted; 0 where none is."""
    occurs = predicted.any(0) | labels.any(0)
    return float(per_class(predicted, labels).f1[occurs].mean()) if occurs.any() else 0.0


def exact_match(predicted: Bool[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]) -> float:
    """Return the share of samples whose predicted classes are the true ones, all of them and no other."""
    return float((predicted == labels).all(1).mean())
