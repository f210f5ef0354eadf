"""The figures of merit of a split, as plain numbers."""

from __future__ import annotations

import math
from typing import Any

from convworks.metrics import multi_label as several_metrics
from convworks.metrics import ranking
from convworks.metrics.classification import (
    balanced_accuracy,
    calibration,
    confusion_matrix,
    macro_f1,
    negative_log_likelihood,
    top_k_accuracy,
    wilson_interval,
)
from convworks.tasks import intervals
from convworks.tasks.classification import Predictions
from convworks.tasks.multi_label import Predicted, SeveralPredictions
from convworks.tasks.reconstruction import Reconstructions, figures

#: Why a figure is None, or not among the others.
ONE_CLASS = "not defined: all samples are of one class"
NO_POSITIVES = "not defined: no sample is of the second class"
FEW_CLASSES = "not told: with {} classes the first five always hold the true one"
NO_LABELS = "not defined: no class has samples that show it and others that do not"


def summary(predictions: Predicted | Reconstructions) -> dict[str, Any]:
    """Return the figures of merit of a split as plain numbers; `top5` only above five classes.

    `intervals` holds the 95 % interval of every figure but accuracy, whose own is `interval`; `undefined` says why a
    figure is None, or absent. `auc` and `average_precision` are means over the classes, each against the rest; of two
    classes those of the second.

    Where samples show any number of classes: `map`, F1, the share of samples that are all right with its 95 % interval,
    the binary cross-entropy, and how many labels there are in all. Of images that were made: `mse` and `psnr`.
    """
    if isinstance(predictions, Reconstructions):
        return figures(predictions)
    return _several(predictions) if isinstance(predictions, SeveralPredictions) else _one(predictions)


def _several(predictions: SeveralPredictions) -> dict[str, Any]:
    labels, predicted, n = predictions.labels, predictions.predicted, len(predictions.names)
    correct, area = int(predictions.correct.sum()), ranking.mean_scores(predictions.probabilities, labels)[0]
    return {
        "map": several_metrics.mean_average_precision(predictions.probabilities, labels),
        "n": n,
        "micro_f1": several_metrics.micro_f1(predicted, labels),
        "macro_f1": several_metrics.macro_f1(predicted, labels),
        "auc": _known(area),
        "exact_match": correct / n,
        "exact_match_interval": list(wilson_interval(correct, n)),
        "bce": float(predictions.losses.mean()),
        "labels": int(labels.sum()),
        "intervals": {name: list(ends) for name, ends in intervals.several_labels(predictions).items()},
        **_undefined({"auc": NO_LABELS if math.isnan(area) else ""}),
    }


def _one(predictions: Predictions) -> dict[str, Any]:
    """Return the figures of merit of a split as plain numbers; `top5` only above five classes."""
    labels, probabilities, n = predictions.labels, predictions.probabilities, len(predictions.labels)
    k = len(predictions.classes)
    matrix = confusion_matrix(labels, predictions.predicted, k)
    correct = int(predictions.correct.sum())
    kinds = ranking.asked(k)
    scores, own = probabilities[:, kinds], ranking.one_against_rest(labels, k)[:, kinds]
    area, precision = ranking.mean_scores(scores, own)
    ends = intervals.one_label(predictions)
    top5 = {"top5": top_k_accuracy(probabilities, labels, 5)} if k > 5 else {}
    if top5:
        ends["top5"] = wilson_interval(round(top5["top5"] * n), n)
    reasons = {
        "top5": "" if top5 else FEW_CLASSES.format(k),
        "auc": ONE_CLASS if math.isnan(area) else "",
        "average_precision": NO_POSITIVES if math.isnan(precision) else "",
    }
    return {
        "top1": correct / n,
        **top5,
        "n": n,
        "interval": list(wilson_interval(correct, n)),
        "balanced_accuracy": balanced_accuracy(matrix),
        "macro_f1": macro_f1(matrix),
        "auc": _known(area),
        "average_precision": _known(precision),
        "nll": negative_log_likelihood(probabilities, labels),
        "ece": calibration(probabilities, labels).error,
        "intervals": {name: list(pair) for name, pair in ends.items()},
        **_undefined(reasons),
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _undefined(reasons: dict[str, str]) -> dict[str, dict[str, str]]:
    found = {name: reason for name, reason in reasons.items() if reason}
    return {"undefined": found} if found else {}
