"""A task as one value: nothing outside this room distinguishes tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64
from torch import Tensor, nn

from convworks.config import Config
from convworks.data.column import Colours
from convworks.data.config import Corruption
from convworks.data.source import Source, Split
from convworks.data.targets.target import Target
from convworks.errors import InputError
from convworks.losses.config import LossConfig, OwnLoss
from convworks.losses.functions import Loss, loss_function, outputs
from convworks.metrics.spec import MetricSpec, written_headline
from convworks.tasks.activations import Activation
from convworks.tasks.answering import Answering
from convworks.tasks.evidence import Rule
from convworks.tasks.outcome import Outcome, Pooled

#: The outputs that stand for the network, and by name (weight, outputs) of all that have a loss.
Answers = tuple[Tensor, dict[str, tuple[float, Tensor]]]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Some samples of a split: their indices, their inputs before and after corruption, and the outputs of the network.

    `targets` are in the form that losses read; None if the split has none.
    """

    indices: Int64[np.ndarray, " b"]
    inputs: Tensor
    read: Tensor
    outputs: Tensor
    targets: Tensor | None = None


@runtime_checkable
class Sums(Protocol):
    """Adds up over the processes of a run (training/world.py)."""

    def summed(self, values: Tensor) -> Tensor:
        """Return the sums over all processes, in double precision."""


@runtime_checkable
class Meter(Protocol):
    """Measures a split batch by batch; what it keeps does not grow with the size of an output."""

    def update(self, answered: Answered) -> None:
        """Count some samples."""

    def reduce(self, world: Sums) -> dict[str, float]:
        """Return the metrics over all samples that any process counted."""


@runtime_checkable
class Collector(Protocol):
    """Collects the outputs of a network for a split, and makes the outcome."""

    def update(self, answered: Answered) -> None:
        """Add some samples, in the order of the split."""

    def outcome(self, again: Callable[[Sequence[int]], Iterator[Answered]]) -> Outcome:
        """Return the outcome; `again` runs the network once more on some samples."""


@dataclass(frozen=True, kw_only=True)
class SplitContext:
    """The split of an outcome: its samples, its name, its classes with their colours, the corruption of its inputs."""

    split: Split
    name: str
    classes: tuple[str, ...]
    corruption: Corruption | None = None
    colours: Colours | None = None


def configured_loss(config: LossConfig, counts: Int64[Tensor, " k"], own: Loss | None, samples: int) -> Loss:
    """Return the loss of a configuration (losses/functions.py)."""
    return loss_function(config, counts, own, images=samples)


def network_answers(network: nn.Module, inputs: Tensor, corruption: Corruption | None) -> Answers:
    """Return what a training step takes the loss of: the outputs of head and auxiliary classifiers."""
    return outputs(network, inputs)


def as_answered(
    network: nn.Module, inputs: Callable[[Tensor], Tensor], answered: Answered, corruption: Corruption | None
) -> Tensor:
    """Return what validation takes the loss of: the outputs."""
    return answered.outputs


def first_loss(task: Task, config: Any) -> Any:
    """Return a recipe with the first loss and the headline metric of the task where its own do not fit."""
    training = config.training
    changes = {
        "loss": training.loss if isinstance(training.loss, task.losses) else task.losses[0](),
        "best": training.best if training.best in task.measured else task.headline.name,
        "sampling": "shuffled",
    }
    return config.model_copy(update={"training": training.model_copy(update=changes)})


def check_fit(task: Task, config: Any, source: Source) -> None:
    """Raise InputError for losses of other tasks, and for choosing epochs by a metric that is not measured."""
    training = config.training
    if not isinstance(training.loss, task.losses):
        reason = f"{training.loss.kind} is not a loss for a network that {task.does}"
        kinds = ", ".join(str(loss.model_fields["kind"].default) for loss in task.losses)
        raise InputError("training.loss", reason, f"choose one of {kinds}")
    check_best(task, config, f"where a network {task.does}")


def check_best(task: Task, config: Any, where: str) -> None:
    """Raise InputError for choosing epochs by a metric that the task does not measure on validation."""
    best = config.training.best
    if best not in task.measured:
        raise InputError(
            "training.best", f"{best} is not measured {where}", f"choose one of {', '.join(task.measured)}"
        )


def plain_what(classes: Sequence[str], result: Mapping[str, Any]) -> str:
    """Return what a model card calls a network, by default."""
    return "A network"


def plain_answers(classes: Sequence[str], size: Sequence[int]) -> list[str]:
    """Return what a model card says of the output, by default."""
    return ["Numbers."]


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a model card says of networks of a task.

    `what` names the network, for its classes and a result; `answers` describes the output, for its classes and the size
    of its images; `result` is the result in a line. `method` is that of a loaded bundle, `options` are those that
    `convworks predict` needs.
    """

    what: Callable[[Sequence[str], Mapping[str, Any]], str] = plain_what
    answers: Callable[[Sequence[str], Sequence[int]], Sequence[str]] = plain_answers
    result: Callable[[Mapping[str, Any]], str] = written_headline
    method: str = "predict"
    options: str = ""


@dataclass(frozen=True, kw_only=True)
class Task(Answering):
    """What a network is trained to do, besides how it answers (tasks/answering.py).

    Attributes:
        fits: whether it is the task of a network, by the kind of its output (logits, images), on a source; None if the
            task is chosen by name only.
        target: how the targets of a source are read, divided and collated.
        outputs: the number of channels of the head, for the classes and the channels of the images.
        losses: the configurations of losses that fit; the first is the default.
        headline: the metric that summarises a result.
        metrics: what validation measures besides the loss.
        score: the metric of training batches besides the loss; `scored` computes it for each sample (outputs, targets).
        activation: raw outputs -> probabilities, or whatever an outcome is made of.
        meter: measures so many samples of so many classes, batch by batch.
        collector: makes the outcome of a split, from the task and the context of the split.
        outcome: makes it from the activated outputs of all samples, if these are small enough to be kept: outcomes are
            then pooled over folds and averaged over networks. Else None; with the `inverse` of the activation, outputs
            are then averaged batch by batch, and outcomes `Joined`.
        judged: whether each answer is right or wrong (`Judged`).
        graded: the score of each sample by which networks are compared whose answers are not (`Graded`); else None.
        words: the texts of the model card.
        rules: what is concluded from the numbers of a run, and what to try next (tasks/verdict.py), in order.
        adapt: (task, recipe) -> the recipe made to fit.
        check: raises InputError for what does not fit: (task, configuration, source).
        loss: (configuration, samples of each class, custom loss, number of samples) -> the loss.
        answers: what a training step takes the loss of.
        validated: what validation takes the loss of: (network, images -> inputs, answered samples, corruption).
        corrupts_inputs: whether data.corruption applies to the input; otherwise `answers` applies it.
        normalises: whether inputs are normalised by default.
        variant: (configuration, network) -> the task for these.
    """

    fits: Callable[[str, Source], bool] | None = None
    target: Target
    outputs: Callable[[Sequence[str], int], int]
    losses: tuple[type[Config], ...] = (OwnLoss,)
    headline: MetricSpec
    metrics: tuple[MetricSpec, ...]
    score: MetricSpec
    scored: Callable[[Tensor, Tensor], Tensor]
    activation: Activation
    meter: Callable[[int, int], Meter]
    collector: Callable[[Task, SplitContext], Collector]
    outcome: Callable[[SplitContext, np.ndarray], Pooled] | None = None
    judged: bool = False
    graded: MetricSpec | None = None
    words: Words = Words()
    rules: tuple[Rule, ...] = ()
    adapt: Callable[[Task, Any], Any] = first_loss
    check: Callable[[Task, Any, Source], None] = check_fit
    loss: Callable[[Any, Int64[Tensor, " k"], Loss | None, int], Loss] = configured_loss
    answers: Callable[[nn.Module, Tensor, Corruption | None], Answers] = network_answers
    validated: Callable[[nn.Module, Callable[[Tensor], Tensor], Answered, Corruption | None], Tensor] = as_answered
    corrupts_inputs: bool = True
    normalises: bool = True
    variant: Callable[[Any, nn.Module], Task] | None = None

    @property
    def combines(self) -> bool:
        """Whether answers are averaged over networks and views, and pooled over folds."""
        return self.outcome is not None or self.activation.inverse is not None

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of what validation measures: the loss, and the metrics."""
        return ("loss", *(metric.name for metric in self.metrics))

    def adapted(self, config: Any) -> Any:
        """Return a recipe made to fit."""
        return self.adapt(self, config)

    def of(self, config: Any, network: nn.Module) -> Task:
        """Return the task for this configuration and network."""
        return self if self.variant is None else self.variant(config, network)
