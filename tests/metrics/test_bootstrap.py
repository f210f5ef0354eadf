"""Bootstrap intervals: weights against the samples themselves, scikit-learn and formulas."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as oracle

from convworks.errors import InputError
from convworks.metrics import classification as metrics
from convworks.metrics import weighted
from convworks.metrics.bootstrap import Counts, Values, bootstrap, draws
from convworks.metrics.compare import compare_scores
from convworks.metrics.ranking import one_against_rest
from convworks.tasks.outcomes import intervals
from convworks.tasks.outcomes.multi_label import LabelSetPredictions


def case(seed: int, n: int = 60, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, k, n)
    scores = 2.0 ** generator.integers(0, 3, (n, k))  # many equal ones
    return labels, (scores / scores.sum(1, keepdims=True)).astype(np.float32)


def test_a_draw_has_as_many_samples_and_of_each_stratum_too() -> None:
    strata = np.array([0, 1, 0, 2, 2, 2, 0])
    plain = draws(7, 500, np.random.default_rng(0))
    stratified = draws(7, 500, np.random.default_rng(0), strata)
    assert (plain.sum(1) == 7).all()
    for stratum, count in ((0, 3), (1, 1), (2, 3)):
        assert (stratified[:, strata == stratum].sum(1) == count).all()
    np.testing.assert_allclose(plain.mean(0), 1, atol=0.2)
    np.testing.assert_allclose(stratified.mean(0), 1, atol=0.2)


@pytest.mark.parametrize("seed", range(12))
def test_figures_of_a_draw_are_those_of_its_samples(seed: int) -> None:
    labels, probabilities = case(seed)
    n, k = probabilities.shape
    predicted, one_hot = probabilities.argmax(1).astype(np.int64), one_against_rest(labels, k)
    confidence, bins = probabilities.max(1), metrics.calibration_bins(probabilities.max(1))
    counts = draws(n, 3, np.random.default_rng(seed), None if seed % 2 else labels)
    scores = weighted.class_scores(counts, labels, predicted, k)
    ranks = [weighted.Ranks(probabilities[:, i], one_hot[:, i]).measure(counts) for i in range(k)]
    errors = weighted.calibration_errors(counts, confidence, predicted == labels, bins)
    several = weighted.label_scores(counts, one_hot, probabilities >= 0.3)
    for row, weights in enumerate(counts):
        indices = np.repeat(np.arange(n), weights.astype(int))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = oracle.balanced_accuracy_score(labels[indices], predicted[indices])
            assert scores["balanced_accuracy"][row] == pytest.approx(expected)
            expected = oracle.f1_score(labels[indices], predicted[indices], average="macro", zero_division=0)
            assert scores["macro_f1"][row] == pytest.approx(expected)
            for kind, (areas, precisions) in enumerate(ranks):
                pair = one_hot[indices, kind], probabilities[indices, kind]
                assert areas[row] == pytest.approx(oracle.roc_auc_score(*pair), nan_ok=True)
                assert precisions[row] == pytest.approx(oracle.average_precision_score(*pair))
            for average in ("micro", "macro"):
                pair = one_hot[indices], probabilities[indices] >= 0.3
                expected = oracle.f1_score(*pair, average=average, zero_division=0)
                assert several[f"{average}_f1"][row] == pytest.approx(expected)
        assert errors[row] == pytest.approx(
            metrics.calibration(probabilities[indices], labels[indices]).error, abs=1e-6
        )


def test_ranks_without_samples_of_the_class_or_without_others_are_nan() -> None:
    scores, ones = np.array([0.1, 0.2, 0.2], np.float32), np.ones((1, 3), np.float32)
    for labels, expected in ((np.zeros(3, bool), (math.nan, math.nan)), (np.ones(3, bool), (math.nan, 1.0))):
        area, precision = weighted.Ranks(scores, labels).measure(ones)
        assert (area[0], precision[0]) == pytest.approx(expected, nan_ok=True)


def test_the_interval_of_a_share_is_that_of_the_formula() -> None:
    correct = np.arange(400) < 300

    def measure(counts: Counts) -> dict[str, Values]:
        return {"share": weighted.means(counts, correct.astype(np.float32))}

    interval = bootstrap(measure, 400, resamples=4000)["share"]
    assert interval == pytest.approx(metrics.wilson_interval(300, 400), abs=0.006)
    assert bootstrap(measure, 400, resamples=4000)["share"] == interval
    assert bootstrap(measure, 400, resamples=4000, seed=1)["share"] != interval
    wide, narrow = (bootstrap(measure, 400, level=level)["share"] for level in (0.99, 0.5))
    assert wide is not None
    assert narrow is not None
    assert wide[0] < narrow[0] < 0.75 < narrow[1] < wide[1]


def area(ranks: weighted.Ranks) -> Callable[[Counts], dict[str, Values]]:
    def measure(counts: Counts) -> dict[str, Values]:
        return {"auc": ranks.measure(counts)[0]}

    return measure


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of many sets from a population whose area is known, about 95 % have it in their interval."""
    generator, held, runs = np.random.default_rng(0), 0, 150
    truth = 0.8413447  # of normal scores sqrt(2) apart: the normal distribution's share below 1
    for _ in range(runs):
        labels = np.arange(120) % 2
        scores = generator.normal(size=120) + math.sqrt(2) * labels
        ends = bootstrap(area(weighted.Ranks(scores, labels == 1)), 120, strata=labels, resamples=300)["auc"]
        assert ends is not None
        held += ends[0] <= truth <= ends[1]
    assert 0.88 * runs <= held <= 0.99 * runs


def test_what_is_not_defined_has_no_interval() -> None:
    def measure(counts: Counts) -> dict[str, Values]:
        return {"never": np.full(len(counts), np.nan)}

    assert bootstrap(measure, 5) == {"never": None}


@pytest.mark.parametrize(("n", "resamples", "level"), [(0, 10, 0.95), (5, 0, 0.95), (5, 10, 1.0)])
def test_impossible_requests_are_refused(n: int, resamples: int, level: float) -> None:
    with pytest.raises(InputError, match="must hold n >= 1, resamples >= 1, 0 < level < 1"):
        bootstrap(lambda counts: {}, n, resamples=resamples, level=level)


def test_large_sets_are_drawn_less_often() -> None:
    assert intervals.resamples(1000, 10) == 1000
    assert intervals.resamples(10_000, 10) == 500
    assert intervals.resamples(50_000, 1000) == 200


def test_several_labels_have_intervals_and_say_what_is_not_defined() -> None:
    labels = np.array([[1, 1, 0], [0, 1, 0], [1, 1, 0], [0, 1, 0]], dtype=bool)
    probabilities = np.array([[0.9, 0.6, 0.2], [0.3, 0.7, 0.1], [0.6, 0.4, 0.3], [0.2, 0.9, 0.1]], np.float32)
    names, classes = ("a", "b", "c", "d"), ("x", "y", "z")
    outcome = LabelSetPredictions(
        split="test", names=names, classes=classes, labels=labels, probabilities=probabilities
    )
    summary, without_negatives = outcome.summary(), replace(outcome, labels=np.ones((4, 3), bool)).summary()
    assert summary["auc"] == 1.0
    assert set(summary["intervals"]) == {"map", "auc", "micro_f1", "macro_f1", "bce"}
    assert without_negatives["auc"] is None
    assert "no class has samples that show it and others that do not" in without_negatives["undefined"]["auc"]


def test_what_can_only_be_drawn_as_it_is_has_no_interval() -> None:
    def measure(counts: Counts) -> dict[str, Values]:
        return {"mean": weighted.means(counts, np.arange(counts.shape[1], dtype=np.float64))}

    assert bootstrap(measure, 1) == {"mean": None}
    assert bootstrap(measure, 3, strata=np.array([2, 0, 1])) == {"mean": None}
    assert bootstrap(measure, 3, strata=np.array([1, 0, 1]))["mean"] is not None
    labels, probabilities = case(0, n=1)
    assert intervals.of_classes(labels, probabilities) == {}
    assert compare_scores(np.array([0.5]), np.array([0.75])).interval is None
