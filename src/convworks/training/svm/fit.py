"""Support vector machines from scikit-learn as plain arrays (lecture 001, Transfer Learning: a linear SVM as head)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64

#: Candidate costs, if none is configured, from the widest margin on; chosen on validation.
LINEAR, RBF = (1e-3, 1e-2, 1e-1, 1.0), (1.0, 10.0, 100.0)
SCALES = np.logspace(-2, 2, 81)

Decide = Callable[[Float64[np.ndarray, "n f"]], Float64[np.ndarray, "n k"]]


class Linear(NamedTuple):
    """A decision value for each class: x weight^T + bias."""

    weight: Float64[np.ndarray, "k f"]
    bias: Float64[np.ndarray, " k"]

    def decisions(self, x: Float64[np.ndarray, "n f"]) -> Float64[np.ndarray, "n k"]:
        """Return the decision value for each class; the largest is the prediction."""
        result: np.ndarray = x @ self.weight.T + self.bias
        return result


class Pairs(NamedTuple):
    """A decision value for each pair of classes i < j, positive for i: exp(-gamma |x - v|^2) coefficients^T + bias."""

    vectors: Float64[np.ndarray, "v f"]
    coefficients: Float64[np.ndarray, "p v"]
    bias: Float64[np.ndarray, " p"]
    gamma: float


def fit_linear(x: Float64[np.ndarray, "n f"], labels: Int64[np.ndarray, " n"], *, cost: float, seed: int = 0) -> Linear:
    """Fit one-against-rest classifiers with squared hinge loss; two classes share one decision, with either sign."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    with warnings.catch_warnings():
        # At a high cost full convergence takes long; validation compares the results as they are.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine = LinearSVC(C=cost, dual=len(x) < 20 * x.shape[1], random_state=seed).fit(x, labels)
    weight, bias = machine.coef_, machine.intercept_
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
    return Linear(weight, bias)


def kernel(
    x: Float64[np.ndarray, "n f"], others: Float64[np.ndarray, "m f"], gamma: float
) -> Float64[np.ndarray, "n m"]:
    """Return exp(-gamma |x - y|^2) of all pairs, by one matrix product where libsvm computes pair by pair."""
    squared = np.square(x).sum(1)[:, None] - 2 * x @ others.T + np.square(others).sum(1)
    products: np.ndarray = np.exp(-gamma * np.maximum(squared, 0))
    return products


def fit_rbf(
    x: Float64[np.ndarray, "n f"],
    labels: Int64[np.ndarray, " n"],
    *,
    cost: float,
    gamma: float,
    products: Float64[np.ndarray, "n n"] | None = None,
) -> Pairs:
    """Fit one-against-one classifiers; `products` is the kernel matrix of x with itself, if computed already."""
    from sklearn.svm import SVC

    kernel_matrix = kernel(x, x, gamma) if products is None else products
    machine = SVC(C=cost, kernel="precomputed", cache_size=500).fit(kernel_matrix, labels)
    # For a vector of class c, dual_coef_ holds the coefficients against the other classes in their order.
    ends = np.concatenate([[0], np.cumsum(machine.n_support_)])
    pairs = list(combinations(range(len(machine.classes_)), 2))
    coefficients = np.zeros((len(pairs), len(machine.support_)))
    for row, (i, j) in enumerate(pairs):
        of_i, of_j = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
        coefficients[row, of_i] = machine.dual_coef_[j - 1, of_i]
        coefficients[row, of_j] = machine.dual_coef_[i, of_j]
    sign = -1.0 if len(pairs) == 1 else 1.0  # for two classes scikit-learn negates the decision
    return Pairs(x[machine.support_], sign * coefficients, sign * machine.intercept_, gamma)


def best_of(costs: Sequence[float], accuracy: Callable[[float], float]) -> float:
    """Return the cost with the highest accuracy, of equals the lowest.

    The search stops when accuracy falls or reaches 1: high costs take longest.
    """
    chosen, best = costs[0], -1.0
    for cost in costs:
        score = accuracy(cost)
        if score > best:
            chosen, best = cost, score
        if score < best or best == 1:
            break
    return chosen


def calibrated(decisions: Float[np.ndarray, "n k"], labels: Int64[np.ndarray, " n"]) -> float:
    """Return the factor on the decisions that minimises the negative log-likelihood of the labels after softmax.

    This is temperature scaling (Guo et al. 2017, On Calibration of Modern Neural Networks), which does not change the
    order of the classes, and so not the predictions.
    """

    def nll(scale: float) -> float:
        scaled = scale * decisions.astype(np.float64)
        largest = scaled.max(1)
        sums = np.log(np.exp(scaled - largest[:, None]).sum(1)) + largest
        return float((sums - scaled[np.arange(len(labels)), labels]).mean())

    return float(min(SCALES, key=nll))
