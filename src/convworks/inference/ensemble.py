"""What several networks say of the same images, as one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from convworks.errors import InputError, nearest
from convworks.metrics.classification import SMALLEST
from convworks.tasks.multi_label import THRESHOLD, Predicted, SeveralPredictions

PROBABILITY = "probability"
#: How the members of an ensemble are joined.
COMBINATIONS = {
    PROBABILITY: "the mean of their probabilities",
    "logit": "the mean of their logits",
    "vote": "the share of them that say so; the mean of their probabilities decides between equals",
}


def check_combination(name: str) -> None:
    """Raise InputError for a combination that there is not."""
    if name not in COMBINATIONS:
        reason = f"there is no combination {name!r}{nearest(name, COMBINATIONS)}"
        raise InputError("--combine", reason, f"choose from {', '.join(COMBINATIONS)}")


def combine(members: Sequence[Predicted], how: str = PROBABILITY) -> Predicted:
    """Return the predictions of an ensemble of at least one; raises InputError for an unknown combination."""
    check_combination(how)
    if len(members) == 1:
        return members[0]
    several = isinstance(members[0], SeveralPredictions)
    each = np.stack([predictions.probabilities for predictions in members])
    mean = each.mean(0, dtype=np.float64)
    match how:
        case "probability":
            found = mean
        case "logit":
            found = _by_logit(each, several)
        case _:
            votes = _votes(each, several)
            # Less than a vote of one, so that it decides between equals alone.
            found = (votes.sum(0) + mean / 2) / (len(each) + 0.5)
    return replace(members[0], probabilities=found.astype(np.float32))


def _by_logit(each: np.ndarray, several: bool) -> np.ndarray:
    """Return the probabilities of mean logits, which are logarithms of probabilities up to a constant."""
    logs = np.log(each.astype(np.float64).clip(SMALLEST, 1))
    if several:
        odds = logs - np.log((1 - each.astype(np.float64)).clip(SMALLEST, 1))
        return np.asarray(1 / (1 + np.exp(-odds.mean(0))))
    mean = logs.mean(0)
    powers = np.exp(mean - mean.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _votes(each: np.ndarray, several: bool) -> np.ndarray:
    if several:
        return each >= THRESHOLD
    return np.asarray(np.eye(each.shape[2])[each.argmax(2)])
