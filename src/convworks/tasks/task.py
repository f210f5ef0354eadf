"""What is asked of a network, as one value: nothing outside this room asks which task it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8
from torch import Tensor, nn

from convworks.config import Config
from convworks.data.config import Corruption
from convworks.data.source import Source, Split
from convworks.data.targets.target import Target
from convworks.losses.config import LossConfig
from convworks.losses.functions import Loss, loss_function, outputs
from convworks.metrics.label_errors import LabelErrors
from convworks.metrics.spec import MetricSpec
from convworks.pages.blocks import Section
from convworks.tasks.activations import Activation
from convworks.tasks.shown import ErrorWords, Page, Shown

#: The outputs that stand for the network, and by name (weight, outputs) of all that have a loss.
Answers = tuple[Tensor, dict[str, tuple[float, Tensor]]]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Some samples of a split: their places in it, inputs as they are and as the network read them, its outputs.

    `targets` are what it should have answered, as a loss reads them; None where the split has none.
    """

    places: Int64[np.ndarray, " b"]
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
class Outcome(Protocol):
    """What a network said about a split: it writes its CSV file, and knows its metrics and its part of a page."""

    @property
    def split(self) -> str:
        """The name of the split."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its samples."""

    def summary(self) -> dict[str, Any]:
        """Return all metrics as plain numbers, with the number of samples `n` and the 95 % intervals."""

    def write_csv(self, path: Path) -> None:
        """Write one row a sample."""

    def show(self, page: Page) -> Shown:
        """Return what a report shows, and write its pictures."""


@runtime_checkable
class Pooled(Outcome, Protocol):
    """An outcome that is made of the activated outputs of all samples: it can be averaged, and pooled over folds."""

    @property
    def values(self) -> np.ndarray:
        """The activated outputs [n *output]."""

    def with_values(self, values: np.ndarray) -> Any:
        """Return the same for other outputs."""

    def overview(self, note: str) -> Section:
        """Return the section that the page of an experiment shows."""


@runtime_checkable
class Judged(Pooled, Protocol):
    """An outcome in which every sample is right or wrong: it can be compared, sliced, and its errors looked at."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""

    @property
    def correct(self) -> np.ndarray:
        """Whether each sample is right [n]."""

    @property
    def confidence(self) -> np.ndarray:
        """The probability of each answer [n], nan where an answer has none."""

    def worst(self, limit: int) -> list[int]:
        """Return the samples that are wrong, the highest loss first, at most `limit`."""

    def true_name(self, sample: int) -> str:
        """Return what a sample shows, in words."""

    def predicted_name(self, sample: int) -> str:
        """Return what the network says of it, in words."""

    def error(self, sample: int) -> ErrorWords:
        """Return a mistake in words."""

    @property
    def sure_of_another(self) -> LabelErrors | None:
        """The samples that are perhaps mislabelled, where that can be known."""


@runtime_checkable
class Collector(Protocol):
    """Takes in what a network answers to a split, and makes the outcome of it."""

    def update(self, answered: Answered) -> None:
        """Take in some samples, in the order of the split."""

    def outcome(self, again: Callable[[Sequence[int]], Iterator[Answered]]) -> Outcome:
        """Return the outcome; `again` asks the network once more about some samples."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """The split that an outcome is of: its samples, its name, its classes, and what was done to its inputs."""

    split: Split
    name: str
    classes: tuple[str, ...]
    corruption: Corruption | None = None


def configured_loss(config: LossConfig, counts: Int64[Tensor, " k"], own: Loss | None, samples: int) -> Loss:
    """Return the loss that a configuration names (losses/functions.py)."""
    return loss_function(config, counts, own, images=samples)


def network_answers(network: nn.Module, inputs: Tensor, corruption: Corruption | None) -> Answers:
    """Return what a training step takes the loss of: what head and auxiliary classifiers answer."""
    return outputs(network, inputs)


def as_answered(
    network: nn.Module, inputs: Callable[[Tensor], Tensor], answered: Answered, corruption: Corruption | None
) -> Tensor:
    """Return what validation takes the loss of: the outputs."""
    return answered.outputs


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a model card says of networks of a task.

    `what` the network is, for its classes and a result; `answers` what it answers, for its classes and the size of its
    images; `result` how good it is. `method` of a loaded bundle uses it, `options` are what `convworks predict` needs.
    """

    what: Callable[[Sequence[str], Mapping[str, Any]], str]
    answers: Callable[[Sequence[str], Sequence[int]], Sequence[str]]
    result: Callable[[Mapping[str, Any]], str]
    method: str = "predict"
    options: str = ""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked of a network.

    Attributes:
        name: as bundles and configurations say it.
        does: what such a network does, as messages say it: "names classes".
        suits: whether it is the task of a network that makes logits or images, on a source.
        target: how the targets of a source are read, divided and collated.
        outputs: how many channels the head must give, for its classes and the channels of its images.
        losses: the configurations of losses that fit; the first is the default.
        headline: the metric that stands for a whole result.
        metrics: what validation measures besides the loss.
        score: the metric that training tells of besides the loss; `scored` gives it for each sample (outputs, targets).
        activation: raw outputs -> probabilities, or whatever an outcome is made of.
        meter: measures so many samples of so many classes, batch by batch.
        collector: makes the outcome of a split, from the task and what is known of the split.
        outcome: makes it from the activated outputs of all samples, where these are small enough to be kept: outcomes
            are then pooled over folds and averaged over networks. None where they are not.
        judged: whether each answer is right or wrong (`Judged`).
        answer: what `predict` says of a sample: (path, activated output, classes, how many classes at most).
        picture: the answer as a picture, where it is one; `predict` then writes files.
        words: what a model card says.
        adapt: a recipe -> the same made to fit.
        check: refuses, in one line, what does not fit.
        loss: (configuration, samples of each class, a loss of one's own, all samples) -> the loss.
        answers: what a training step takes the loss of.
        validated: what validation takes the loss of: (network, images -> its inputs, what it answered, corruption).
        corrupts_inputs: whether data.corruption is done to what is read; `answers` sees to it where not.
        exact: whether values near 1 matter, so that precision `auto` is float32.
        normalises: whether mean and standard deviation are taken out of the inputs, where a recipe does not say.
        variant: the task as a configuration and a network have it.
    """

    name: str
    does: str
    suits: Callable[[str, Source], bool]
    target: Target
    outputs: Callable[[Sequence[str], int], int]
    losses: tuple[type[Config], ...]
    headline: MetricSpec
    metrics: tuple[MetricSpec, ...]
    score: MetricSpec
    scored: Callable[[Tensor, Tensor], Tensor]
    activation: Activation
    meter: Callable[[int, int], Meter]
    collector: Callable[[Task, Known], Collector]
    outcome: Callable[[Known, np.ndarray], Pooled] | None = None
    judged: bool = False
    answer: Callable[[str | None, np.ndarray, Sequence[str], int], dict[str, Any]]
    picture: Callable[[np.ndarray], UInt8[np.ndarray, "h w c"]] | None = None
    words: Words
    adapt: Callable[[Any], Any]
    check: Callable[[Any, Source], None]
    loss: Callable[[Any, Int64[Tensor, " k"], Loss | None, int], Loss] = configured_loss
    answers: Callable[[nn.Module, Tensor, Corruption | None], Answers] = network_answers
    validated: Callable[[nn.Module, Callable[[Tensor], Tensor], Answered, Corruption | None], Tensor] = as_answered
    corrupts_inputs: bool = True
    exact: bool = False
    normalises: bool = True
    variant: Callable[[Any, nn.Module], Task] | None = None

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of what validation measures: the loss, and the metrics."""
        return ("loss", *(metric.name for metric in self.metrics))

    def of(self, config: Any, network: nn.Module) -> Task:
        """Return the task as this configuration and network have it."""
        return self if self.variant is None else self.variant(config, network)
