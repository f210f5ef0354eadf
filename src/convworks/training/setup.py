"""What a run works with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from convworks.data.batches import Batch, Samples, batches, steps_per_epoch
from convworks.data.config import Corruption
from convworks.data.decode.preprocess import Preprocessing
from convworks.losses.functions import Loss
from convworks.tasks.task import Task
from convworks.training.config import RunConfig
from convworks.training.freeze import NOTHING, Freezing
from convworks.training.progress import Progress
from convworks.training.schedules.schedule import Clock, learning_rate
from convworks.training.world import ALONE, Forward, World

POINTS = 100  # of the curve of training


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a run works with, and does not change while it runs (but for the values of tensors).

    `forward` gives the logits, and (weight, logits) of all that has a loss; `averaged` is the network with the
    moving average of the weights, where the run keeps one. `loss` is that of the task, as the run is configured;
    `corruption` is what is done to images that are read.
    `freezing` says what is held still, `factors` by what the learning rate of a parameter is multiplied.
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
    def steps_per_epoch(self) -> int:
        """The number of batches in an epoch."""
        return steps_per_epoch(len(self.train), self.config.training.batch_size)

    @property
    def steps(self) -> int:
        """The number of batches in the whole run."""
        return self.steps_per_epoch * self.config.training.epochs

    @property
    def steps_per_point(self) -> int:
        """The number of batches that a point of the curve of training stands for."""
        return max(1, self.steps // POINTS)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @property
    def evaluated(self) -> nn.Module:
        """The network that is validated and kept."""
        return self.averaged or self.network

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """Yield the batches that are left of the epoch, or this process's part of each."""
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
            size=self.preprocessing.size,
            corruption=self.corruption,
        )

    def rate(self, progress: Progress, step: int) -> float:
        """Return the learning rate of a step."""
        training = self.config.training
        clock = Clock(step, self.steps, self.steps_per_epoch, progress.scores(training.best))
        return learning_rate(training.schedule, clock, training.warmup)
