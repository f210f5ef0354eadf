"""Loss and metric that suit what images show: one class each, or any number of them."""

from __future__ import annotations

import numpy as np

from convworks.data.labels import is_several, told
from convworks.data.source import Source
from convworks.errors import InputError
from convworks.training.config import ONE, SEVERAL, Metric, RunConfig
from convworks.training.loss_config import BinaryCrossEntropy, CrossEntropy, LossConfig

REMEDY = "--set training.loss.kind=binary_cross_entropy"


def suited(config: RunConfig, source: Source) -> RunConfig:
    """Return a recipe for a source: where images have any number of labels, cross-entropy becomes that of each class.

    The best epoch is then the one with the best mean average precision, where the recipe does not go by the loss.
    """
    if not source.several:
        return config
    loss: LossConfig = config.training.loss
    if isinstance(loss, CrossEntropy):
        balanced = "balanced" if loss.class_weights == "balanced" else None
        loss = BinaryCrossEntropy(smoothing=loss.smoothing, positive_weights=balanced)
    best: Metric = config.training.best if config.training.best in SEVERAL else "map"
    return config.model_copy(
        update={"training": config.training.model_copy(update={"loss": loss, "best": best, "sampling": "shuffled"})}
    )


def check_suited(config: RunConfig, source: Source) -> None:
    """Refuse a loss, a metric or a sampling that is not defined for what the images of a source show."""
    training = config.training
    measured = SEVERAL if source.several else ONE
    if source.several and training.loss.kind in ("cross_entropy", "penalty"):
        reason = f"{_example(source)}, but the loss {training.loss.kind} is for exactly one"
        raise InputError(source.where, reason, REMEDY)
    if training.best not in measured:
        which = "any number of labels" if source.several else "one label"
        reason = f"{training.best} is not measured where images have {which}"
        raise InputError("training.best", reason, f"choose one of {', '.join(measured)}")
    if source.several and training.sampling == "balanced":
        reason = "balanced draws the images of one class after the other, but each may show several"
        raise InputError("training.sampling", reason, f"{REMEDY} --set training.loss.positive_weights=balanced")


def _example(source: Source) -> str:
    """Name an image that does not show exactly one class."""
    for split in source.splits.values():
        assert is_several(split.labels)
        counts = split.labels.sum(1)
        for index in np.flatnonzero(counts != 1)[:1].tolist():
            shown = told(split.labels, index, source.classes)
            return f"{split.names[index]} shows {counts[index]} classes" + (f" ({shown})" if shown else "")
    return "its images may show any number of classes"
