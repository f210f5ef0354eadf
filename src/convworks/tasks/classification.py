"""Classification: each sample is of one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from convworks.data.source import Source
from convworks.data.targets.target import CLASSES
from convworks.errors import InputError
from convworks.losses.config import (
    BinaryCrossEntropy,
    CrossEntropy,
    OwnLoss,
    PenaltyLoss,
    PixelCrossEntropy,
    SquaredError,
)
from convworks.metrics.classification import mean_recall
from convworks.metrics.spec import BALANCED_ACCURACY, TOP1, TOP5
from convworks.tasks.activations import SOFTMAX
from convworks.tasks.answering import ONE_CLASS
from convworks.tasks.kept import Kept
from convworks.tasks.length import brief, stopped
from convworks.tasks.outcomes.classification import Predictions
from convworks.tasks.task import Answered, SplitContext, Sums, Task, Words, check_best
from convworks.tasks.verdict import (
    guessing,
    imbalance,
    miscalibration,
    overfitting,
    photographs,
    underfitting,
    wide_interval,
)

#: How many classes a model card names.
SHOWN_CLASSES = 100


def right(logits: Float[Tensor, "b k"], labels: Int64[Tensor, "b"]) -> Bool[Tensor, "b"]:
    """Return whether the most probable class is the label."""
    return logits.argmax(1) == labels


class ClassMeter:
    """Counts correct predictions, overall and by class; exact for any batches and any number of processes."""

    def __init__(self, classes: int, samples: int) -> None:
        self.classes = classes
        self.counts: Tensor | None = None

    def update(self, answered: Answered) -> None:
        """Count some samples."""
        logits, labels = answered.outputs, answered.targets
        assert labels is not None
        hits = right(logits, labels)
        first = logits.topk(min(5, self.classes)).indices
        among = (first == labels[:, None]).any(1)
        present, recalled = (torch.bincount(each, minlength=self.classes) for each in (labels, labels[hits]))
        counts = torch.cat([torch.stack([hits.sum(), among.sum()]), present, recalled])
        self.counts = counts if self.counts is None else self.counts + counts

    def reduce(self, world: Sums) -> dict[str, float]:
        """Return accuracy, top-5 accuracy and balanced accuracy."""
        counts = torch.zeros(2 + 2 * self.classes, dtype=torch.int64) if self.counts is None else self.counts
        totals = world.summed(counts).cpu().numpy().astype(np.float64)
        present, recalled = np.split(totals[2:], 2)
        n = present.sum()
        return {
            "top1": float(totals[0] / n),
            "top5": float(totals[1] / n),
            "balanced_accuracy": float(mean_recall(recalled, present)),
        }


def as_it_is(task: Task, config: Any) -> Any:
    """Return a recipe unchanged: recipes are made for classification."""
    return config


def check(task: Task, config: Any, source: Source) -> None:
    """Raise InputError for settings of autoencoders, and for metrics that are not measured."""
    refuse_reconstruction(config)
    check_best(task, config, "where images have one label")


def refuse_reconstruction(config: Any) -> None:
    """Raise InputError for settings of networks that output images."""
    training, name = config.training, config.model.name
    if training.greedy or training.pretraining is not None:
        field = "greedy" if training.greedy else "pretraining"
        reason = f"is for autoencoders, but {name} is not one"
        raise InputError(f"training.{field}", reason, "choose --model autoencoder_fc_deep, or leave it out")
    if isinstance(training.loss, SquaredError | PixelCrossEntropy):
        reason = f"{training.loss.kind} compares images, but {name} outputs none"
        raise InputError("training.loss", reason, "choose cross_entropy, or an autoencoder: --model autoencoder_conv")
    if config.data.corruption is not None:
        reason = f"is for autoencoders, but {name} is not one"
        raise InputError("data.corruption", reason, "choose an autoencoder: --model autoencoder_denoising")


def outcome(context: SplitContext, probabilities: Float32[np.ndarray, "n k"]) -> Predictions:
    """Return the predictions of a split, from the probability of each class."""
    return Predictions(
        split=context.name,
        names=context.split.names,
        classes=context.classes,
        labels=context.split.labels,
        probabilities=probabilities,
    )


def fits(makes: str, source: Source) -> bool:
    """Return whether the network outputs logits and the source has one label per sample."""
    return makes == "logits" and not source.multi_label and not source.spatial


def what(classes: Sequence[str], result: Mapping[str, Any]) -> str:
    """Return what a model card calls the network."""
    return f"An image classifier for {len(classes)} classes"


def listed(classes: Sequence[str]) -> str:
    """List the classes, up to a hundred."""
    more = " ..." if len(classes) > SHOWN_CLASSES else ""
    return f"A probability for each class: {', '.join(classes[:SHOWN_CLASSES])}{more}."


def answers_of(classes: Sequence[str], size: Sequence[int]) -> list[str]:
    """Return what a model card says of the output."""
    return [listed(classes), "It knows no other classes: any image is assigned to one of these."]


def result_of(result: Mapping[str, Any]) -> str:
    """Return the result in a line."""
    low, high = result["interval"]
    return f"accuracy {result['top1']:.2%} (95 % interval {low:.2%} to {high:.2%})"


CLASSIFICATION = Task(
    **vars(ONE_CLASS),
    fits=fits,
    target=CLASSES,
    outputs=lambda classes, channels: len(classes),
    losses=(CrossEntropy, BinaryCrossEntropy, PenaltyLoss, OwnLoss),
    headline=TOP1,
    metrics=(TOP1, TOP5, BALANCED_ACCURACY),
    score=TOP1,
    scored=right,
    activation=SOFTMAX,
    meter=ClassMeter,
    collector=Kept,
    outcome=outcome,
    judged=True,
    words=Words(what=what, answers=answers_of, result=result_of),
    rules=(
        stopped,
        brief(TOP1),
        photographs,
        guessing,
        overfitting(TOP1),
        underfitting(TOP1),
        imbalance,
        wide_interval(TOP1),
        miscalibration,
    ),
    adapt=as_it_is,
    check=check,
)
