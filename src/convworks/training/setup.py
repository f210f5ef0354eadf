"""The immutable parts of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from convworks.data.batches import Batch, batches, steps_per_epoch
from convworks.data.config import Corruption
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.input import Input
from convworks.data.inputs.kinds import input_of
from convworks.data.samples import Samples
from convworks.losses.functions import Loss
from convworks.tasks.task import Task
from convworks.training.config import RunConfig
from convworks.training.freeze import NOTHING, Freezing
from convworks.training.progress import Progress
from convworks.training.schedules.schedule import Clock, learning_rate
from convworks.training.world import ALONE, Forward, World

POINTS = 100  # of the training curve


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The parts of a run that do not change during training, except for the values of tensors.

    `forward` returns the logits, and (weight, logits) for everything with a loss; `averaged` is the network with the
    moving average of the weights, if the run keeps one. `loss` is the configured loss of the task; `corruption` is
    applied to the input images. `freezing` lists the frozen modules, `factors` the factors on the learning rates of
    parameters.
    """

    config: RunConfig
    network: nn.Module
    averaged: nn.Module | None
    forward: Forward
    state: Mapping[str, Tensor]
    parameters: Mapping[str, Tensor]
    preprocessing: Preprocessing
    train: Samples
    validation: Samples
    classes: int
    task: Task
    loss: Loss
    precision: torch.dtype
    corruption: Corruption | None = None
    world: World = ALONE
    freezing: Freezing = NOTHING
    factors: Mapping[str, float] = field(default_factory=dict)

    @property
    def input(self) -> Input:
        """What the network reads."""
        return input_of(self.preprocessing)

    @property
    def steps_per_epoch(self) -> int:
        """The number of steps in an epoch."""
        return steps_per_epoch(len(self.train), self.config.training.batch_size)

    @property
    def steps(self) -> int:
        """The number of steps in the run."""
        return self.steps_per_epoch * self.config.training.epochs

    @property
    def steps_per_point(self) -> int:
        """The number of steps between two points of the training curve."""
        return max(1, self.steps // POINTS)

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.network.parameters()).device

    @property
    def evaluated(self) -> nn.Module:
        """The network that is validated and saved."""
        return self.averaged or self.network

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """Yield the remaining batches of the epoch, or this process's part of each."""
        return batches(
            self.train,
            self.config.augment,
            batch_size=self.config.training.batch_size,
            seed=self.config.seed,
            epoch=progress.epoch,
            start=progress.batch,
            balanced=self.config.training.sampling == "balanced",
            part=self.world.part,
            workers=self.config.data.workers,
            size=self.input.size,
            corruption=self.corruption,
        )

    def rate(self, progress: Progress, step: int) -> float:
        """Return the learning rate of a step."""
        training = self.config.training
        clock = Clock(step, self.steps, self.steps_per_epoch, progress.scores(training.best))
        return learning_rate(training.schedule, clock, training.warmup)
