"""Support vector machines by scikit-learn, as plain arrays (lecture 001, Transfer Learning: a linear SVM as head)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64

#: Costs that validation chooses among, where none is given, from the widest margin on.
LINEAR, RBF = (1e-3, 1e-2, 1e-1, 1.0), (1.0, 10.0, 100.0)
SCALES = np.logspace(-2, 2, 81)

Decide = Callable[[Float64[np.ndarray, "n f"]], Float64[np.ndarray, "n k"]]


class Linear(NamedTuple):
    """A decision for each class: x weight^T + bias."""

    weight: Float64[np.ndarray, "k f"]
    bias: Float64[np.ndarray, " k"]

    def decisions(self, x: Float64[np.ndarray, "n f"]) -> Float64[np.ndarray, "n k"]:
        """Return the decision for each class, of which the largest is the answer."""
        found: np.ndarray = x @ self.weight.T + self.bias
        return found


class Pairs(NamedTuple):
    """A decision for each pair of classes i < j, positive for i: exp(-gamma |x - v|^2) coefficients^T + bias."""

    vectors: Float64[np.ndarray, "v f"]
    coefficients: Float64[np.ndarray, "p v"]
    bias: Float64[np.ndarray, " p"]
    gamma: float


def fit_linear(x: Float64[np.ndarray, "n f"], labels: Int64[np.ndarray, " n"], *, cost: float, seed: int = 0) -> Linear:
    """Fit one class against the rest, by squared hinge loss; two classes have one decision, with either sign."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    with warnings.catch_warnings():
        # At a high cost the last digits take long; validation compares what there is.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine = LinearSVC(C=cost, dual=len(x) < 20 * x.shape[1], random_state=seed).fit(x, labels)
    weight, bias = machine.coef_, machine.intercept_
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
    return Linear(weight, bias)


def kernel(
    x: Float64[np.ndarray, "n f"], others: Float64[np.ndarray, "m f"], gamma: float
) -> Float64[np.ndarray, "n m"]:
    """Return exp(-gamma |x - y|^2) of all pairs: by one product of matrices, where libsvm takes pair by pair."""
    squared = np.square(x).sum(1)[:, None] - 2 * x @ others.T + np.square(others).sum(1)
    found: np.ndarray = np.exp(-gamma * np.maximum(squared, 0))
    return found


def fit_rbf(
    x: Float64[np.ndarray, "n f"],
    labels: Int64[np.ndarray, " n"],
    *,
    cost: float,
    gamma: float,
    products: Float64[np.ndarray, "n n"] | None = None,
) -> Pairs:
    """Fit each class against each; `products` is the kernel of x with itself, where it is known already."""
    from sklearn.svm import SVC

    known = kernel(x, x, gamma) if products is None else products
    machine = SVC(C=cost, kernel="precomputed", cache_size=500).fit(known, labels)
    # dual_coef_ has, for a vector of class c, the coefficients against the other classes in their order.
    ends = np.concatenate([[0], np.cumsum(machine.n_support_)])
    pairs = list(combinations(range(len(machine.classes_)), 2))
    coefficients = np.zeros((len(pairs), len(machine.support_)))
    for row, (i, j) in enumerate(pairs):
        of_i, of_j = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
        coefficients[row, of_i] = machine.dual_coef_[j - 1, of_i]
        coefficients[row, of_j] = machine.dual_coef_[i, of_j]
    sign = -1.0 if len(pairs) == 1 else 1.0  # for two classes scikit-learn turns the decision around
    return Pairs(x[machine.support_], sign * coefficients, sign * machine.intercept_, gamma)


def best_of(costs: Sequence[float], share: Callable[[float], float]) -> float:
    """Return the cost of the highest share of right answers; of equals the lowest, and none after the share fell.

    None is tried after one that is always right, either: high costs take longest.
    """
    chosen, best = costs[0], -1.0
    for cost in costs:
        found = share(cost)
        if found > best:
            chosen, best = cost, found
        if found < best or best == 1:
            break
    return chosen


def calibrated(decisions: Float[np.ndarray, "n k"], labels: Int64[np.ndarray, " n"]) -> float:
    """Return the factor whose product with the decisions makes, by softmax, the likeliest probabilities of the labels.

    Guo et al. 2017 (On Calibration of Modern Neural Networks, temperature scaling): it leaves the order of the classes
    as it is, and so the answers.
    """

    def nll(scale: float) -> float:
        scaled = scale * decisions.astype(np.float64)
        largest = scaled.max(1)
        sums = np.log(np.exp(scaled - largest[:, None]).sum(1)) + largest
        return float((sums - scaled[np.arange(len(labels)), labels]).mean())

    return float(min(SCALES, key=nll))
