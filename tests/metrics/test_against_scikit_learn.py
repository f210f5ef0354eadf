"""Every figure of merit against scikit-learn's, over 200 random cases."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics as oracle
from sklearn.calibration import calibration_curve
from thorough import repeats

from convworks.errors import InputError
from convworks.metrics import classification as metrics
from convworks.metrics import multi_label as several_metrics
from convworks.metrics import ranking
from convworks.tasks.outcomes.classification import Predictions

CASES = repeats(60, 200)


def case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Give labels and probabilities: from one class on, often with absent classes, a single one, or many ties."""
    generator = np.random.default_rng(seed)
    n, k = int(generator.integers(1, 80)), int(generator.integers(1, 12))
    present = generator.permutation(k)[: 1 if seed % 5 == 0 else generator.integers(1, k + 1)]
    labels = generator.choice(present, n).astype(np.int64)
    # Powers of two keep equal scores equal when they are divided: the ties of ours are those of scikit-learn.
    scores = 2.0 ** generator.integers(0, 3, (n, k)) if seed % 2 else generator.exponential(size=(n, k))
    return labels, (scores / scores.sum(1, keepdims=True)).astype(np.float32)


def made(labels: np.ndarray, probabilities: np.ndarray) -> Predictions:
    names, classes = tuple(map(str, range(len(labels)))), tuple(map(str, range(probabilities.shape[1])))
    return Predictions(split="test", names=names, classes=classes, labels=labels, probabilities=probabilities)


@pytest.mark.filterwarnings("ignore")  # scikit-learn remarks on what is not defined
@pytest.mark.parametrize("seed", range(CASES))
def test_all_metrics_are_scikit_learns(seed: int) -> None:
    labels, probabilities = case(seed)
    n, k = probabilities.shape
    every, predicted = np.arange(k), probabilities.argmax(1).astype(np.int64)
    matrix = metrics.confusion_matrix(labels, predicted, k)
    np.testing.assert_array_equal(matrix, oracle.confusion_matrix(labels, predicted, labels=every))
    scores = metrics.per_class(matrix)
    parts = oracle.precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    for actual, reference in zip((scores.precision, scores.recall, scores.f1, scores.support), parts, strict=True):
        np.testing.assert_allclose(actual, reference)

    summary = made(labels, probabilities).summary()
    assert summary["top1"] == pytest.approx(oracle.accuracy_score(labels, predicted))
    assert summary["balanced_accuracy"] == pytest.approx(oracle.balanced_accuracy_score(labels, predicted))
    assert summary["macro_f1"] == pytest.approx(oracle.f1_score(labels, predicted, average="macro", zero_division=0))
    if k > 1:
        loss = oracle.log_loss(labels, probabilities.astype(np.float64), labels=every)
        assert summary["nll"] == pytest.approx(loss, rel=1e-5)

    # scikit-learn prefers the last of equals, convworks the first (as argmax does): mirror the classes.
    for top in range(1, k + 1):
        accuracy = metrics.top_k_accuracy(probabilities, labels, top)
        if k <= 2:
            assert accuracy == (1.0 if top == k else summary["top1"])
        else:
            expected = oracle.top_k_accuracy_score(k - 1 - labels, probabilities[:, ::-1], k=top, labels=every)
            assert accuracy == pytest.approx(expected)
    with pytest.raises(InputError, match=f"k={k + 1} must lie between 1 and the number of classes {k}"):
        metrics.top_k_accuracy(probabilities, labels, k + 1)
    if k > 5:
        assert summary["top5"] == metrics.top_k_accuracy(probabilities, labels, 5)
    else:
        assert "top5" not in summary
        assert f"with {k} classes, the top five always include the true one" in summary["undefined"]["top5"]

    areas, precisions = [], []
    for kind in ranking.ranked_classes(k):
        is_class, class_probabilities = labels == kind, probabilities[:, kind]
        curve = ranking.ranking_curve(class_probabilities, is_class)
        rate, recall, thresholds = oracle.roc_curve(is_class, class_probabilities, drop_intermediate=False)
        np.testing.assert_array_equal(curve.thresholds, thresholds[1:])
        if not is_class.all():
            np.testing.assert_allclose(curve.false_positive_rate, rate)
        if is_class.any():
            np.testing.assert_allclose(curve.true_positive_rate, recall)
            precision, recall, _ = oracle.precision_recall_curve(is_class, class_probabilities, drop_intermediate=False)
            np.testing.assert_allclose(curve.precision[::-1], precision)
            np.testing.assert_allclose(curve.true_positive_rate[::-1], recall)
            precisions.append(oracle.average_precision_score(is_class, class_probabilities))
            assert several_metrics.average_precision(class_probabilities, is_class) == pytest.approx(precisions[-1])
        else:
            assert np.isnan(several_metrics.average_precision(class_probabilities, is_class))
        assert curve.defined == (0 < is_class.sum() < n)
        assert curve.area == pytest.approx(oracle.roc_auc_score(is_class, class_probabilities), nan_ok=True)
        if curve.defined:
            areas.append(curve.area)
    assert summary["auc"] == (pytest.approx(np.mean(areas)) if areas else None)
    assert summary["average_precision"] == (pytest.approx(np.mean(precisions)) if precisions else None)
    assert ("auc" in summary.get("undefined", {})) == (not areas)
    if k > 2 and len(np.unique(labels)) == k:
        sums = probabilities.astype(np.float64)
        expected = oracle.roc_auc_score(labels, sums / sums.sum(1, keepdims=True), multi_class="ovr")
        assert summary["auc"] == pytest.approx(expected, abs=1e-3)  # division moves ties
    check_calibration(labels, probabilities, summary["ece"])
    check_intervals(labels, probabilities, summary)


def check_calibration(labels: np.ndarray, probabilities: np.ndarray, error: float) -> None:
    """Compare with scikit-learn's bins, which are closed below where ours are closed above: mirrored they are ours."""
    confidence = probabilities.max(1).astype(np.float64).clip(0, 1)
    right = probabilities.argmax(1) == labels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrong, doubt = calibration_curve(~right, 1 - confidence, n_bins=15)
    bins = metrics.calibration(probabilities, labels)
    full = bins.count > 0
    if len(wrong) == full.sum():  # 1 - c may round to the other side of an edge
        np.testing.assert_allclose(1 - bins.accuracy[full][::-1], wrong, atol=1e-9)
        np.testing.assert_allclose(1 - bins.confidence[full][::-1], doubt, atol=1e-9)
    naive = sum(
        abs(right[inside].sum() - confidence[inside].sum())
        for low, high in zip(bins.edges[:-1], bins.edges[1:], strict=True)
        if (inside := (confidence > low) & (confidence <= high)).any()
    )
    assert error == pytest.approx(naive / len(labels), abs=1e-9)


def check_intervals(labels: np.ndarray, probabilities: np.ndarray, summary: dict[str, object]) -> None:
    """Every figure that there is has an interval, and lies in it, unless each class has one sample."""
    ends = summary["intervals"]
    assert isinstance(ends, dict)
    names = {name for name, value in summary.items() if isinstance(value, float)} - {"top1"}
    single = labels.ndim == 1 and len(set(labels.tolist())) == len(labels)  # top-5 has a formula
    assert set(ends) == (names & {"top5"} if single else names)
    for name, (low, high) in ends.items():
        value = summary[name]
        assert isinstance(value, float)
        assert low - 1e-6 <= value <= high + 1e-6, name
        assert 0 <= low <= high
        assert name in ("nll", "bce") or high <= 1
