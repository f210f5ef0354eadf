"""Metrics of multiple labels against scikit-learn, predictions and their file."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle
from thorough import repeats

from convworks.errors import InputError, RunError
from convworks.metrics import multi_label as several_metrics
from convworks.report.report import ReportContent, write_report
from convworks.tasks.outcomes.classification import Predictions
from convworks.tasks.outcomes.multi_label import LabelSetPredictions


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels and probabilities, with ties, classes that nobody shows, and classes that all show."""
    n, k = draw(st.integers(1, 40)), draw(st.integers(2, 6))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = generator.random((n, k)) < generator.choice([0.0, 0.1, 0.5, 1.0], k)
    steps = draw(st.sampled_from([2, 5, 10_000]))  # few values: many are equal
    return labels, (generator.integers(0, steps + 1, (n, k)) / steps).astype(np.float32)


def made(labels: np.ndarray, probabilities: np.ndarray, split: str = "test") -> LabelSetPredictions:
    n, k = labels.shape
    return LabelSetPredictions(
        split=split,
        names=tuple(f"{index}.png" for index in range(n)),
        classes=tuple("abcdef"[:k]),
        labels=labels,
        probabilities=probabilities,
    )


@given(cases())
@settings(max_examples=repeats(20, 40))
def test_metrics_are_scikit_learns(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = case
    predictions = made(labels, probabilities)
    found, predicted = predictions.summary(), probabilities >= 0.5
    shown, occurs = np.flatnonzero(labels.any(0)), np.flatnonzero(labels.any(0) | predicted.any(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each = [oracle.average_precision_score(labels[:, i], probabilities[:, i]) for i in shown]
        parts = oracle.precision_recall_fscore_support(labels, predicted, average=None, zero_division=0)
    ranks = several_metrics.average_precisions(probabilities, labels)
    np.testing.assert_allclose(ranks[shown], each, atol=1e-12)
    assert np.isnan(np.delete(ranks, shown)).all()
    assert found["map"] == pytest.approx(np.mean(each) if each else 0.0)
    scores = several_metrics.per_class(predicted, labels)
    for ours, theirs in zip((scores.precision, scores.recall, scores.f1, scores.support), parts, strict=True):
        np.testing.assert_allclose(ours, theirs)
    assert found["micro_f1"] == pytest.approx(oracle.f1_score(labels, predicted, average="micro", zero_division=0))
    assert found["macro_f1"] == pytest.approx(parts[2][occurs].mean() if len(occurs) else 0.0)
    assert found["exact_match"] == pytest.approx(oracle.accuracy_score(labels, predicted))
    if ((probabilities > 0) & (probabilities < 1)).all():
        pairs = zip(labels.T, probabilities.T, strict=True)
        assert found["bce"] == pytest.approx(
            np.mean([oracle.log_loss(*pair, labels=[0, 1]) for pair in pairs]), rel=1e-4
        )
    numbers = (value for name, value in found.items() if name not in ("intervals", "undefined") and value is not None)
    assert all(type(value) in (float, int, list) for value in numbers)


def test_average_precision_by_hand() -> None:
    scores, labels = np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, False, True, True])
    # at 0.9: precision 1, recall 1/3; at 0.8: 2/3, 2/3; at 0.1: 3/4, 1
    assert several_metrics.average_precision(scores, labels) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


LABELS = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]], dtype=bool)
GIVEN = np.array([[0.9, 0.5, 0.1], [0.2, 0.7, 0.0], [0.1, 0.2, 1.0]], dtype=np.float32)


def test_the_file_of_predictions(tmp_path: Path) -> None:
    predictions = made(LABELS, GIVEN)
    assert predictions.correct.tolist() == [True, False, True]
    assert predictions.worst(5) == [1]
    predictions.write_csv(tmp_path / "p.csv")
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        **{"path": "0.png", "labels": "a;b", "predicted": "a;b", "probabilities": "0.9;0.5", "correct": "1"},
        **{"p:a": "0.9", "p:b": "0.5", "p:c": "0.1"},
    }
    assert (rows[1]["labels"], rows[1]["predicted"], rows[1]["correct"]) == ("", "b", "0")


def test_predictions_that_cannot_be() -> None:
    kind: dict[str, Any] = {"split": "test", "names": ("x",), "classes": ("a", "b")}
    one = Predictions(labels=np.array([1]), probabilities=np.array([[0.2, 0.8]], np.float32), **kind)
    assert one.predicted.tolist() == [1]
    with pytest.raises(InputError, match="hold 0 samples"):
        made(np.zeros((0, 2), bool), np.zeros((0, 2), np.float32))
    with pytest.raises(RunError, match=r"outside 0\.\.1"):
        LabelSetPredictions(labels=np.ones((1, 2), bool), probabilities=np.full((1, 2), np.nan, np.float32), **kind)


def test_the_report_tells_of_classes_and_mistakes(tmp_path: Path) -> None:
    content = ReportContent(
        title="x",
        predictions=made(LABELS, GIVEN, "validation"),
        image=lambda index: np.zeros((8, 8, 1), np.uint8),
        chosen="the checkpoint",
        history=[{"epoch": 1, "validation_map": 0.5, "train_exact_match": 0.1, "validation_exact_match": 0.2}],
    )
    page = write_report(tmp_path, content).read_text()
    for words in ("Mean average precision", "Exact match", "Micro F1", "<td>c</td>", "nothing", "→ b"):
        assert words in page
    assert "onfusion" not in page
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "curves.png",
        "errors.png",
        "predictions.csv",
        "ranking.png",
        "report.html",
    ]
