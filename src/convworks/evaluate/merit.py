"""Which figure stands for a result, and how figures are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {
    "loss": "loss",
    "top1": "accuracy",
    "top5": "top-5 accuracy",
    "balanced_accuracy": "balanced accuracy",
    "map": "mAP",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "exact_match": "exact match",
}
#: One of these stands for a whole result or epoch: where images have one label, and where they have any number.
MAIN = ("top1", "map")
#: The share of answers that are right, of which training tells.
SHARES = ("top1", "exact_match")


def main(found: Mapping[str, Any], prefix: str = "") -> str:
    """Return the name of the figure that stands for a result, or (with `validation_`) for an epoch."""
    return next(name for name in MAIN if prefix + name in found)


def figure(found: Mapping[str, Any], prefix: str = "") -> float:
    """Return the figure that stands for a result or an epoch."""
    return float(found[prefix + main(found, prefix)])


def share(row: Mapping[str, Any]) -> str:
    """Return the name of the share of right answers in training that a row tells of."""
    return next(name for name in SHARES if f"train_{name}" in row)
