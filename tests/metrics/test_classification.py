from __future__ import annotations

import json
import math
import warnings
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from convworks.errors import InputError
from convworks.metrics import classification as metrics
from convworks.tasks.outcomes.classification import Predictions


def random_case(seed: int, n: int, k: int, *, coarse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Give labels (often without some class) and probabilities (coarse ones hold many ties)."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(rng.permutation(k)[: rng.integers(1, k + 1)], n).astype(np.int64)
    scores = rng.integers(1, 4, (n, k)) if coarse else rng.exponential(size=(n, k))
    probabilities = (scores / scores.sum(1, keepdims=True)).astype(np.float32)
    return labels, probabilities


cases = st.builds(random_case, st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 12), coarse=st.booleans())


def predictions(labels: np.ndarray, probabilities: np.ndarray) -> Predictions:
    classes = tuple(f"class {i}" for i in range(probabilities.shape[1]))
    names = tuple(f"test/{i}" for i in range(len(labels)))
    return Predictions(split="test", names=names, classes=classes, labels=labels, probabilities=probabilities)


@given(cases, st.integers(1, 12))
def test_top_k_accuracy_agrees_with_scikit_learn(case: tuple[np.ndarray, np.ndarray], k: int) -> None:
    labels, probabilities = case
    classes = probabilities.shape[1]
    assume(classes > 2 and k < classes)
    # scikit-learn prefers the last of equals, convworks the first (as argmax does): mirror the classes.
    expected = oracle.top_k_accuracy_score(classes - 1 - labels, probabilities[:, ::-1], k=k, labels=np.arange(classes))
    assert metrics.top_k_accuracy(probabilities, labels, k) == pytest.approx(expected)


@given(cases)
def test_top_1_is_the_share_of_correct_and_top_all_is_one(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    assert metrics.top_k_accuracy(probabilities, labels, 1) == (probabilities.argmax(1) == labels).mean()
    assert metrics.top_k_accuracy(probabilities, labels, probabilities.shape[1]) == 1


@pytest.mark.parametrize("k", [0, 4])
def test_top_k_beyond_the_classes_is_refused(k: int) -> None:
    with pytest.raises(InputError, match=f"k={k} must lie between 1 and the number of classes 3"):
        metrics.top_k_accuracy(np.full((2, 3), 1 / 3, np.float32), np.zeros(2, np.int64), k)


@given(cases)
def test_matrix_and_class_scores_agree_with_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    k, predicted = probabilities.shape[1], probabilities.argmax(1).astype(np.int64)
    matrix = metrics.confusion_matrix(labels, predicted, k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks on matrices of one class
        np.testing.assert_array_equal(matrix, oracle.confusion_matrix(labels, predicted, labels=np.arange(k)))
    scores = metrics.per_class(matrix)
    expected = oracle.precision_recall_fscore_support(labels, predicted, labels=np.arange(k), zero_division=0)
    for actual, reference in zip((scores.precision, scores.recall, scores.f1, scores.support), expected, strict=True):
        np.testing.assert_allclose(actual, reference, atol=1e-12)
    macro = oracle.f1_score(labels, predicted, average="macro", zero_division=0)
    assert metrics.macro_f1(matrix) == pytest.approx(macro)
    present = np.unique(labels)
    recalls = oracle.recall_score(labels, predicted, labels=present, average=None, zero_division=0)
    assert metrics.balanced_accuracy(matrix) == pytest.approx(recalls.mean())


@given(cases)
def test_log_likelihood_agrees_with_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    k = probabilities.shape[1]
    assume(k > 1)
    rows = probabilities.astype(np.float64)
    expected = oracle.log_loss(labels, rows / rows.sum(1, keepdims=True), labels=np.arange(k))
    assert metrics.negative_log_likelihood(probabilities, labels) == pytest.approx(expected, rel=1e-5)


def test_log_likelihood_of_an_impossible_truth_is_large_and_finite() -> None:
    sure_and_wrong = np.array([[1, 0]], np.float32)
    assert metrics.negative_log_likelihood(sure_and_wrong, np.array([1])) == pytest.approx(87.34, abs=0.01)
    right = metrics.negative_log_likelihood(sure_and_wrong, np.array([0]))
    assert right == 0
    assert math.copysign(1, right) == 1


@given(cases)
def test_calibration_agrees_with_its_definition(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    result = metrics.calibration(probabilities, labels)
    total = 0.0
    for i in range(15):
        members = [
            row for row in range(len(labels)) if result.edges[i] < probabilities[row].max() <= result.edges[i + 1]
        ]
        assert result.count[i] == len(members)
        if members:
            confidence = np.mean([float(probabilities[row].max()) for row in members])
            accuracy = np.mean([probabilities[row].argmax() == labels[row] for row in members])
            assert result.confidence[i] == pytest.approx(confidence)
            assert result.accuracy[i] == pytest.approx(accuracy)
            total += len(members) / len(labels) * abs(accuracy - confidence)
    assert result.error == pytest.approx(total)


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0.5, 0.999))
def test_wilson_interval_ends_where_the_score_test_does(n: int, share: float, level: float) -> None:
    correct = round(share * n)
    low, high = metrics.wilson_interval(correct, n, level)
    assert 0 <= low <= correct / n <= high <= 1
    z = NormalDist().inv_cdf((1 + level) / 2)
    for end in (low, high):
        assert (correct / n - end) ** 2 == pytest.approx(z * z * end * (1 - end) / n, rel=1e-6, abs=1e-12)


def test_wilson_interval_of_published_numbers() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for correct, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert metrics.wilson_interval(correct, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("correct", "n", "level"), [(1, 0, 0.95), (-1, 5, 0.95), (6, 5, 0.95), (1, 5, 1.0)])
def test_wilson_interval_refuses_impossible_counts(correct: int, n: int, level: float) -> None:
    with pytest.raises(InputError, match="0 <= correct <= n"):
        metrics.wilson_interval(correct, n, level)


def test_confused_pairs_are_the_largest_cells_off_the_diagonal() -> None:
    matrix = np.array([[9, 2, 0], [5, 1, 0], [2, 0, 7]])
    assert metrics.confused_pairs(matrix, 2) == [(1, 0, 5), (0, 1, 2)]
    assert metrics.confused_pairs(matrix, 10) == [(1, 0, 5), (0, 1, 2), (2, 0, 2)]
    assert metrics.confused_pairs(np.eye(3, dtype=np.int64), 5) == []


@given(cases)
def test_summary_holds_plain_numbers_that_agree_with_the_parts(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    summary = predictions(labels, probabilities).summary()
    assert ("top5" in summary) == (probabilities.shape[1] > 5)
    assert summary["n"] == len(labels)
    assert summary["top1"] == oracle.accuracy_score(labels, probabilities.argmax(1))
    assert summary["interval"] == list(metrics.wilson_interval(round(summary["top1"] * len(labels)), len(labels)))
    undefined = {name for name, value in summary.items() if value is None}
    assert undefined <= set(summary.get("undefined", {}))
    numbers = [value for name, value in summary.items() if name not in {*undefined, "intervals", "undefined"}]
    assert all(type(value) in (float, int, list) for value in numbers)
    assert all(math.isfinite(value) for value in numbers if not isinstance(value, list))
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
