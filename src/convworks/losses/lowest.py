"""What label smoothing aims at: a loss above zero, and a confidence below 1."""

from __future__ import annotations

import math
from collections.abc import Sequence

from convworks.losses.config import BinaryCrossEntropy, CrossEntropy, LossConfig, SumLoss


def lowest_loss(config: LossConfig, classes: int) -> float:
    """Return the lowest mean loss that any outputs have: the entropy of the smoothed targets, or 0.

    For a sum it is a bound from below, the sum of what its parts have: no outputs need be the best for all of them.
    """
    match config:
        case CrossEntropy(smoothing=smoothing) if classes:
            other = smoothing / classes
            return _entropy([1 - smoothing + other, *[other] * (classes - 1)])
        case BinaryCrossEntropy(smoothing=smoothing):
            return classes * _entropy([smoothing / 2, 1 - smoothing / 2])
        case SumLoss(parts=parts, weights=weights):
            lowest = (lowest_loss(part, classes) for part in parts)
            return sum(weight * each for weight, each in zip(weights or (1.0,) * len(parts), lowest, strict=True))
        case _:
            return 0.0


def smoothing_note(config: LossConfig, classes: int) -> str:
    """Return a line for the user about a loss that does not reach zero; empty for the others."""
    lowest = lowest_loss(config, classes)
    bound = "at least " if isinstance(config, SumLoss) else ""
    return f"label smoothing: the loss of a perfect network is {bound}{lowest:.4f}, not 0" if lowest else ""


def aimed_confidence(config: LossConfig, classes: int) -> float:
    """Return the probability that the loss asks for the true class: below 1 with label smoothing."""
    match config:
        case CrossEntropy(smoothing=smoothing) if classes:
            return 1 - smoothing + smoothing / classes
        case BinaryCrossEntropy(smoothing=smoothing):
            return 1 - smoothing / 2
        case _:
            return 1.0


def smoothing_effect(config: LossConfig, classes: int) -> str:
    """Return a sentence on the confidence that label smoothing aims at; empty for other losses."""
    aimed = aimed_confidence(config, classes)
    return "" if aimed == 1 else f"Label smoothing aims at a confidence of {100 * aimed:.1f}%, not 100%."


def _entropy(probabilities: Sequence[float]) -> float:
    return -sum(p * math.log(p) for p in probabilities if p > 0)
