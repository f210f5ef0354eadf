"""Which figure stands for a result, and how figures are called."""

from __future__ import annotations

import math
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
    "mse": "squared error",
    "code_mse": "squared error of the code",
    "psnr": "PSNR",
}
#: One of these stands for a whole result or epoch: where images have one label, any number, or are asked for.
MAIN = ("top1", "map", "psnr")
#: The share of answers that are right, or another mean of scores, of which training tells.
SHARES = ("top1", "exact_match", "mse", "code_mse")


def main(found: Mapping[str, Any], prefix: str = "") -> str:
    """Return the name of the figure that stands for a result, or (with `validation_`) for an epoch."""
    return next(name for name in MAIN if prefix + name in found)


def figure(found: Mapping[str, Any], prefix: str = "") -> float:
    """Return the figure that stands for a result or an epoch."""
    value = found[prefix + main(found, prefix)]
    return math.inf if value is None else float(value)


def share(row: Mapping[str, Any]) -> str:
    """Return the name of the share of right answers (or other mean) in training that a row tells of."""
    return next(name for name in SHARES if f"train_{name}" in row)


def written(name: str, value: float) -> str:
    """Write the value of a metric: a share as percent, a loss as it is, a ratio in dB."""
    match name:
        case "loss":
            return f"{value:.4f}"
        case "mse" | "code_mse":
            return f"{value:.3g}"
        case "psnr":
            return f"{value:.2f} dB"
        case _:
            return f"{value:.2%}"


def reached(found: Mapping[str, Any], prefix: str = "") -> str:
    """Write the figure that stands for a result or an epoch."""
    return written(main(found, prefix), figure(found, prefix))
