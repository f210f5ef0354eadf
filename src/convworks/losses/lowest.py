"""The loss of a perfect classifier, which label smoothing keeps above zero."""

from __future__ import annotations

import math
from collections.abc import Sequence

from convworks.losses.config import BinaryCrossEntropy, CrossEntropy, LossConfig


def lowest_loss(config: LossConfig, classes: int) -> float:
    """Return the lowest mean loss that any outputs have: the entropy of the smoothed targets, or 0."""
    match config:
        case CrossEntropy(smoothing=smoothing) if classes:
            other = smoothing / classes
            return _entropy([1 - smoothing + other, *[other] * (classes - 1)])
        case BinaryCrossEntropy(smoothing=smoothing):
            return classes * _entropy([smoothing / 2, 1 - smoothing / 2])
        case _:
            return 0.0


def smoothing_note(config: LossConfig, classes: int) -> str:
    """Return a line for the user about a loss that does not reach zero; empty for the others."""
    lowest = lowest_loss(config, classes)
    return f"label smoothing: the lowest loss that training can reach is {lowest:.4f}, not 0" if lowest else ""


def _entropy(probabilities: Sequence[float]) -> float:
    return -sum(p * math.log(p) for p in probabilities if p > 0)
