"""Multi-label classification: a sample may have any number of the classes, each predicted independently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from convworks.data.labels import label_text
from convworks.data.source import Source
from convworks.data.targets.target import LABEL_SETS
from convworks.errors import InputError
from convworks.losses.config import BinaryCrossEntropy, CrossEntropy, OwnLoss
from convworks.metrics import multi_label
from convworks.metrics.multi_label import THRESHOLD
from convworks.metrics.spec import EXACT_MATCH, MACRO_F1, MAP, MICRO_F1
from convworks.tasks.activations import SIGMOID
from convworks.tasks.answering import ANY_CLASSES, decided
from convworks.tasks.classification import listed, refuse_reconstruction, what
from convworks.tasks.kept import Kept
from convworks.tasks.length import brief, stopped
from convworks.tasks.outcomes.multi_label import LabelSetPredictions
from convworks.tasks.task import Answered, SplitContext, Sums, Task, Words, check_best, first_loss
from convworks.tasks.verdict import overfitting, photographs, underfitting, wide_interval

REMEDY = "--set training.loss.kind=binary_cross_entropy"


def right(logits: Float[Tensor, "b k"], labels: Float32[Tensor, "b k"]) -> Bool[Tensor, "b"]:
    """Return whether the classes of at least THRESHOLD are exactly those of the sample."""
    return ((logits.float().sigmoid() >= THRESHOLD) == (labels >= 0.5)).all(1)


class LabelSetMeter:
    """Keeps the probabilities of all samples: rankings need all of them."""

    def __init__(self, classes: int, samples: int) -> None:
        self.scores = torch.zeros(samples, classes, dtype=torch.float64)
        self.labels = torch.zeros(samples, classes, dtype=torch.float64)

    def update(self, answered: Answered) -> None:
        """Keep those of some samples."""
        assert answered.targets is not None
        self.scores[answered.indices] = SIGMOID.apply(answered.outputs).cpu().double()
        self.labels[answered.indices] = answered.targets.cpu().double()

    def reduce(self, world: Sums) -> dict[str, float]:
        """Return mean average precision, F1, and exact match."""
        scores, labels = (world.summed(each).cpu().numpy() for each in (self.scores, self.labels))
        predicted, shown = scores >= THRESHOLD, labels >= 0.5
        return {
            "map": multi_label.mean_average_precision(scores, shown),
            "micro_f1": multi_label.micro_f1(predicted, shown),
            "macro_f1": multi_label.macro_f1(predicted, shown),
            "exact_match": multi_label.exact_match(predicted, shown),
        }


def adapt(task: Task, config: Any) -> Any:
    """Return a recipe with binary cross-entropy instead of cross-entropy.

    Unless the recipe chooses epochs by the loss, it chooses them by mean average precision.
    """
    training = config.training
    loss = training.loss
    if isinstance(loss, CrossEntropy):
        balanced = "balanced" if loss.class_weights == "balanced" else None
        loss = BinaryCrossEntropy(smoothing=loss.smoothing, positive_weights=balanced)
    return first_loss(task, config.model_copy(update={"training": training.model_copy(update={"loss": loss})}))


def check(task: Task, config: Any, source: Source) -> None:
    """Raise InputError for losses, metrics and sampling that need single labels."""
    refuse_reconstruction(config)
    training = config.training
    if not isinstance(training.loss, task.losses):
        reason = f"{_example(source)}, but the loss {training.loss.kind} needs exactly one label per image"
        raise InputError(source.where, reason, REMEDY)
    check_best(task, config, "for multi-label images")
    if training.sampling == "balanced":
        reason = "balanced sampling needs single labels"
        raise InputError("training.sampling", reason, f"{REMEDY} --set training.loss.positive_weights=balanced")


def _example(source: Source) -> str:
    """Describe an image that does not have exactly one label."""
    for split in source.splits.values():
        counts = split.labels.sum(1)
        for index in np.flatnonzero(counts != 1)[:1].tolist():
            shown = label_text(split.labels, index, source.classes)
            return f"{split.names[index]} has {counts[index]} labels" + (f" ({shown})" if shown else "")
    return "its images are multi-label"


def outcome(
    context: SplitContext, probabilities: Float32[np.ndarray, "n k"], *, threshold: float = THRESHOLD
) -> LabelSetPredictions:
    """Return the predictions of a split, from the probability of each class."""
    return LabelSetPredictions(
        split=context.name,
        names=context.split.names,
        classes=context.classes,
        labels=context.split.labels,
        probabilities=probabilities,
        threshold=threshold,
    )


def fits(makes: str, source: Source) -> bool:
    """Return whether the network outputs logits and the source has label sets."""
    return makes == "logits" and source.multi_label


def answers_of(classes: Sequence[str], size: Sequence[int]) -> list[str]:
    """Return what a model card says of the output."""
    each = "Multi-label: the probabilities are independent; classes of at least 0.5 are predicted."
    return [listed(classes), each]


def result_of(result: Mapping[str, Any]) -> str:
    """Return the result in a line."""
    return f"mAP {result['map']:.2%}, micro F1 {result['micro_f1']:.2%}, macro F1 {result['macro_f1']:.2%}"


def thresholded(threshold: float) -> Task:
    """Return the task with another decision threshold."""
    return replace(
        MULTI_LABEL, outcome=partial(outcome, threshold=threshold), answer=partial(decided, threshold=threshold)
    )


MULTI_LABEL = Task(
    **(vars(ANY_CLASSES) | {"thresholded": thresholded}),
    fits=fits,
    target=LABEL_SETS,
    outputs=lambda classes, channels: len(classes),
    losses=(BinaryCrossEntropy, OwnLoss),
    headline=MAP,
    metrics=(MAP, MICRO_F1, MACRO_F1, EXACT_MATCH),
    score=EXACT_MATCH,
    scored=right,
    activation=SIGMOID,
    meter=LabelSetMeter,
    collector=Kept,
    outcome=outcome,
    judged=True,
    words=Words(what=what, answers=answers_of, result=result_of),
    rules=(stopped, brief(MAP), overfitting(MAP), underfitting(MAP), photographs, wide_interval(MAP)),
    adapt=adapt,
    check=check,
)
