"""Ensembles and comparisons, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convworks.errors import InputError
from convworks.inference.ensemble import combine
from convworks.metrics.compare import compare
from convworks.tasks.activations import SIGMOID, SOFTMAX
from convworks.tasks.outcomes.classification import Predictions
from convworks.tasks.outcomes.multi_label import LabelSetPredictions


def predictions(rows: np.ndarray) -> Predictions:
    names = tuple(map(str, range(len(rows))))
    classes = tuple("abc"[: rows.shape[1]])
    return Predictions(
        split="test", names=names, classes=classes, labels=np.zeros(len(rows), np.int64), probabilities=rows
    )


def test_logits_are_averaged_by_their_logarithms() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 5, 3, generator=generator)
    combined = combine([predictions(each.softmax(1).numpy()) for each in logits], SOFTMAX, "logit")
    np.testing.assert_allclose(combined.probabilities, logits.mean(0).softmax(1), atol=1e-6)


def test_logits_of_several_labels_are_averaged_by_their_odds() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 5, 3, generator=generator)
    labels = np.zeros((5, 3), bool)
    members = [
        LabelSetPredictions(
            split="test",
            names=tuple("12345"),
            classes=tuple("abc"),
            labels=labels,
            probabilities=each.sigmoid().numpy(),
        )
        for each in logits
    ]
    np.testing.assert_allclose(combine(members, SIGMOID, "logit").probabilities, logits.mean(0).sigmoid(), atol=1e-6)


def test_votes_are_counted_and_probabilities_decide_between_equals() -> None:
    rows = [[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.4, 0.35, 0.25], [0.05, 0.9, 0.05]]
    combined = combine([predictions(np.array([row], np.float32)) for row in rows], SOFTMAX, "vote")
    assert combined.predicted.tolist() == [1]  # two votes each; b is the more probable
    np.testing.assert_allclose(combined.probabilities.sum(1), 1, atol=1e-6)
    three = combine([predictions(np.array([row], np.float32)) for row in (rows[0], rows[2], rows[3])], SOFTMAX, "vote")
    assert three.predicted.tolist() == [0]


def test_an_unknown_combination_lists_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"no combination 'votes' .did you mean 'vote'.*probability, logit, vote"):
        combine([predictions(np.array([[1.0, 0, 0]], np.float32))], SOFTMAX, "votes")


def test_mcnemar_by_hand() -> None:
    first = np.array([True] * 10 + [False] * 5 + [True])
    second = np.array([True] * 10 + [True] * 5 + [False])
    comparison = compare(first, second)
    assert (comparison.gained, comparison.lost) == (5, 1)
    assert comparison.difference == 4 / 16
    assert comparison.p == pytest.approx(2 * (1 + 6) / 2**6)
    half = 1.959964 * np.sqrt(6 - 16 / 16) / 16
    assert comparison.interval == pytest.approx((0.25 - half, 0.25 + half))
    same = compare(first, first)
    assert (same.p, same.interval) == (1.0, (0.0, 0.0))


def test_other_samples_are_refused() -> None:
    with pytest.raises(InputError, match="hold 3 and 2 samples"):
        compare(np.ones(3, bool), np.ones(2, bool))
