"""The figures of merit of a split, as plain numbers."""

from __future__ import annotations

from typing import Any

from convworks.evaluate import several_metrics
from convworks.evaluate.metrics import (
    balanced_accuracy,
    calibration,
    confusion_matrix,
    macro_f1,
    negative_log_likelihood,
    top_k_accuracy,
    wilson_interval,
)
from convworks.evaluate.predictions import Predictions
from convworks.evaluate.reconstructions import Reconstructions, figures
from convworks.evaluate.several_predictions import Predicted, SeveralPredictions


def summary(predictions: Predicted | Reconstructions) -> dict[str, Any]:
    """Return the figures of merit of a split as plain numbers; `top5` only above five classes.

    Where samples show any number of classes: `map`, F1, the share of samples that are all right with its 95 % interval,
    the binary cross-entropy, and how many labels there are in all. Of images that were made: `mse` and `psnr`.
    """
    if isinstance(predictions, Reconstructions):
        return figures(predictions)
    return _several(predictions) if isinstance(predictions, SeveralPredictions) else _one(predictions)


def _several(predictions: SeveralPredictions) -> dict[str, Any]:
    labels, predicted, n = predictions.labels, predictions.predicted, len(predictions.names)
    correct = int(predictions.correct.sum())
    return {
        "map": several_metrics.mean_average_precision(predictions.probabilities, labels),
        "n": n,
        "micro_f1": several_metrics.micro_f1(predicted, labels),
        "macro_f1": several_metrics.macro_f1(predicted, labels),
        "exact_match": correct / n,
        "exact_match_interval": list(wilson_interval(correct, n)),
        "bce": float(predictions.losses.mean()),
        "labels": int(labels.sum()),
    }


def _one(predictions: Predictions) -> dict[str, Any]:
    """Return the figures of merit of a split as plain numbers; `top5` only above five classes."""
    labels, probabilities, n = predictions.labels, predictions.probabilities, len(predictions.labels)
    matrix = confusion_matrix(labels, predictions.predicted, len(predictions.classes))
    correct = int(predictions.correct.sum())
    top5 = {"top5": top_k_accuracy(probabilities, labels, 5)} if len(predictions.classes) > 5 else {}
    return {
        "top1": correct / n,
        **top5,
        "n": n,
        "interval": list(wilson_interval(correct, n)),
        "balanced_accuracy": balanced_accuracy(matrix),
        "macro_f1": macro_f1(matrix),
        "nll": negative_log_likelihood(probabilities, labels),
        "ece": calibration(probabilities, labels).error,
    }
