"""Candidates for label errors: by hand, and labels that were exchanged on purpose."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from thorough import repeats

from convworks.metrics.label_errors import label_errors
from convworks.report.label_errors import write_label_errors
from convworks.tasks.outcomes.classification import Predictions

LABELS = np.array([0, 0, 0, 1, 1, 1])
PROBABILITIES = np.array(
    [
        [0.9, 0.1, 0.0],  # right
        [0.2, 0.8, 0.0],  # sure of 1
        [0.4, 0.6, 0.0],  # says 1, but is not as sure of it as usual
        [0.1, 0.9, 0.0],  # right
        [0.6, 0.4, 0.0],  # says 0, as surely as usual
        [0.0, 0.2, 0.8],  # says what nobody is labelled as
    ],
    dtype=np.float32,
)


def made(labels: np.ndarray, probabilities: np.ndarray) -> Predictions:
    n, k = probabilities.shape
    return Predictions(
        split="test",
        names=tuple(f"{i}.png" for i in range(n)),
        classes=tuple(f"class {i}" for i in range(k)),
        labels=labels,
        probabilities=probabilities,
    )


def test_by_hand() -> None:
    errors = label_errors(LABELS, PROBABILITIES, required=0.0)
    # (0.9 + 0.2 + 0.4) / 3 and (0.9 + 0.4 + 0.2) / 3
    np.testing.assert_allclose(errors.thresholds, [0.5, 0.5, np.inf], rtol=1e-6)
    assert errors.samples.tolist() == [1, 2, 4]
    np.testing.assert_allclose(errors.margins, [0.6, 0.2, 0.2], rtol=1e-6)
    surer = PROBABILITIES.copy()
    surer[4:, :] = [[0.1, 0.9, 0.0], [0.1, 0.9, 0.0]]
    errors = label_errors(LABELS, surer, required=0.0)
    np.testing.assert_allclose(errors.thresholds[:2], [0.5, 0.9], rtol=1e-6)
    assert errors.samples.tolist() == []
    surer[2] = [0.1, 0.9, 0.0]  # neither above the threshold nor below it
    assert label_errors(LABELS, surer, required=0.0).samples.tolist() == [2]


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 5), st.sampled_from([2, 5, 1000]))
@settings(max_examples=repeats(20, 60))
def test_it_is_its_definition(seed: int, n: int, k: int, steps: int) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, k, n)
    parts = generator.integers(0, steps, (n, k)) + 1
    probabilities = (parts / parts.sum(1, keepdims=True)).astype(np.float32)
    errors = label_errors(labels, probabilities, required=0.0)
    expected = {}
    for i, row in enumerate(probabilities.astype(float).tolist()):
        predicted = row.index(max(row))
        class_probabilities = [float(probabilities[j, predicted]) for j in range(n) if labels[j] == predicted]
        if (
            predicted != labels[i]
            and class_probabilities
            and row[predicted] >= sum(class_probabilities) / len(class_probabilities) - 1e-12
        ):
            expected[i] = row[predicted] - row[labels[i]]
    assert sorted(errors.samples.tolist()) == sorted(expected)
    np.testing.assert_allclose(errors.margins, [expected[i] for i in errors.samples.tolist()])
    assert (np.diff(errors.margins) <= 0).all()


@pytest.mark.parametrize(("wrong", "named"), [(1, 1), (2, 2), (3, 0)])
def test_only_a_network_that_agrees_with_nine_of_ten_labels_accuses(wrong: int, named: int) -> None:
    labels = np.array([0, 1] * 10)
    probabilities = np.eye(2, dtype=np.float32)[labels]
    probabilities[:wrong] = probabilities[:wrong, ::-1]
    errors = label_errors(labels, probabilities)
    assert (len(errors.samples), errors.trusted) == (named, named > 0)
    assert errors.confident == 20
    assert errors.agreement == pytest.approx(1 - wrong / 20)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_exchanged_labels_are_found(seed: int) -> None:
    images, true = load_digits(return_X_y=True)
    generator = np.random.default_rng(seed)
    exchanged = generator.choice(len(true), len(true) // 50, replace=False)
    labels = true.astype(np.int64)
    labels[exchanged] = (labels[exchanged] + generator.integers(1, 10, len(exchanged))) % 10
    machine = KNeighborsClassifier(15)
    probabilities = cross_val_predict(machine, images, labels, cv=5, method="predict_proba").astype(np.float32)
    candidates = label_errors(labels, probabilities).samples
    hits = np.isin(candidates, exchanged)
    assert hits.sum() / len(exchanged) > 0.6
    assert hits.mean() > 0.6
    assert hits[:15].mean() > 0.8  # the largest margins


def test_the_file_names_the_first_suspect_first(tmp_path: Path) -> None:
    errors = label_errors(LABELS, PROBABILITIES, required=0.0)
    write_label_errors(tmp_path / "x.csv", errors, made(LABELS, PROBABILITIES), [0.8, 1.0])
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == ["1.png", "2.png", "4.png"]
    assert [row["label"] for row in rows] == ["class 0", "class 0", "class 1"]
    assert [row["predicted"] for row in rows] == ["class 1", "class 1", "class 0"]
    assert [row["neighbours"] for row in rows] == ["0.8", "1", ""]
    assert float(rows[0]["probability"]) == pytest.approx(0.8)
    assert float(rows[0]["margin"]) == pytest.approx(0.6)
