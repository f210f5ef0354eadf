"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from convworks.data import random
from convworks.data.batches import Batch, Samples, batches, normalise, steps_per_epoch
from convworks.data.config import Corruption
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import RunError
from convworks.hardware import seed_torch
from convworks.losses.functions import Loss, batch_loss
from convworks.tasks.task import Task
from convworks.training.clipping import average_decay, clip, largest_gradients, move_average
from convworks.training.config import RunConfig
from convworks.training.freeze import NOTHING, Freezing, hold
from convworks.training.optimizers.update import update
from convworks.training.progress import Progress
from convworks.training.resolution import resize, size_at
from convworks.training.schedules.schedule import Clock, learning_rate
from convworks.training.world import ALONE, Forward, World

POINTS = 100  # of the curve of training


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a run works with, and does not change while it runs (but for the values of tensors).

    `forward` gives the logits, and (weight, logits) of all that has a loss; `averaged` is the network with the
    moving average of the weights, where the run keeps one. `corruption` is what is done to images that are read.
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
    loss: Loss
    task: Task
    measure: Callable[[Setup], dict[str, float]]
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


class Events:
    """What happens around the loop; each method does nothing unless a subclass says otherwise."""

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """After each update of the weights."""

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """After each validation; the history's last row is the epoch's."""


class Several(Events):
    """Passes every event on to several listeners, in order."""

    def __init__(self, listeners: Sequence[Events]) -> None:
        self.listeners = tuple(listeners)

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """Tell all of them."""
        for listener in self.listeners:
            listener.step_ended(setup, progress)

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """Tell all of them."""
        for listener in self.listeners:
            listener.epoch_ended(setup, progress)


def fit(setup: Setup, progress: Progress, events: Events) -> None:
    """Train from where `progress` stands to the last epoch, or until `patience` runs out; both are changed in place."""
    while progress.epoch < setup.config.training.epochs and not exhausted(setup, progress):
        hold(setup.network, setup.parameters, setup.freezing, progress.epoch)
        started = time.perf_counter()
        for batch in setup.batches(progress):
            rate = setup.rate(progress, progress.step)
            loss, score = step(setup, progress.step, batch, rate)
            now = time.perf_counter()
            progress.end_step(loss, score, batch.size, now - started)
            started = now
            if progress.step % setup.steps_per_point == 0:
                progress.mark(rate, progress.step / setup.steps_per_epoch)
            events.step_ended(setup, progress)
        validation = setup.measure(setup)
        rate = setup.rate(progress, progress.step - 1)
        require_finite(setup, f"the validation loss after step {progress.step}", validation["loss"], rate)
        progress.seconds += time.perf_counter() - started
        progress.end_epoch(validation, rate)
        events.epoch_ended(setup, progress)


def step(setup: Setup, number: int, batch: Batch, rate: float) -> tuple[float, float]:
    """Take one training step; return the mean loss of the batch before it and its sum of scores (correct answers)."""
    seed_torch(random.step_seed(setup.config.seed, number, setup.world.rank), setup.device)
    training, loss, score = setup.config.training, 0.0, 0.0
    # As many parts in every process, whose own share of the batch may be one sample smaller: they wait for each other.
    count = max(1, min(training.accumulation, batch.size // setup.world.size))
    for part, last in parts(batch, count):
        with setup.world.communicating(setup.forward, last):
            value, scored = backward(setup, number, part, batch.size)
        loss, score = loss + value, score + scored
    loss, score = setup.world.summed(torch.tensor([loss, score], dtype=torch.float64)).tolist()
    require_finite(setup, f"the loss at step {number}", loss, rate, gradients=True)
    if training.clip:
        clip(training.clip, setup.parameters)
    update(training.optimizer, setup.parameters, setup.state, rate, setup.factors)
    if setup.averaged is not None and training.ema is not None:
        move_average(setup.averaged, setup.network, average_decay(training.ema, number))
    return loss, score


def parts(batch: Batch, count: int) -> Iterator[tuple[Batch, bool]]:
    """Yield a batch in parts of nearly equal size, and whether it is the last one."""
    tensors = (batch.images, batch.labels, batch.others)
    cut = [(None,) * count if tensor is None else tensor.tensor_split(count) for tensor in tensors]
    for number, (images, labels, others) in enumerate(zip(*cut, strict=True), start=1):
        yield batch._replace(images=images, labels=labels, others=others), number == count


def backward(setup: Setup, number: int, batch: Batch, size: int) -> tuple[float, float]:
    """Add the gradients of part of a step of `size` samples; return its share of the loss, and the sum of scores."""
    device = setup.device
    batch = batch._replace(images=batch.images.to(device), labels=batch.labels.to(device))
    if batch.others is not None:
        batch = batch._replace(others=batch.others.to(device))
    inputs = normalise(batch.images, setup.preprocessing.mean, setup.preprocessing.std)
    smaller = size_at(setup.config.training.resolutions, number, setup.steps)
    inputs = inputs if smaller is None else resize(inputs, smaller)
    with torch.autocast(device.type, torch.bfloat16, enabled=setup.precision == torch.bfloat16):
        logits, answers = setup.forward(inputs)
    loss = batch_loss(setup.loss, answers, batch) * (len(batch.labels) / size)
    (loss * setup.world.size).backward()  # type: ignore[no-untyped-call]  # processes average their gradients
    labels = batch.labels if batch.others is None or batch.share >= 0.5 else batch.others
    return loss.item(), float(setup.task.score(logits.detach(), labels).sum())


def require_finite(setup: Setup, what: str, loss: float, rate: float, *, gradients: bool = False) -> None:
    """Raise RunError for a loss that is infinite or no number, before it reaches the weights or a checkpoint."""
    if not math.isfinite(loss):
        largest = f"; largest gradients: {largest_gradients(setup.parameters)}" if gradients else ""
        lower = setup.config.training.schedule.rate / 10
        raise RunError(
            "training",
            f"{what} is {loss} (learning rate {rate:.4g}{largest})",
            f"lower the learning rate, for example --set training.schedule.rate={lower:.2g}, or clip the gradients: "
            "--set training.clip.limit=1.0",
        )


def exhausted(setup: Setup, progress: Progress) -> bool:
    """Tell whether early stopping ends the run: `patience` epochs without a better value of the metric `best`."""
    training = setup.config.training
    return training.patience is not None and progress.waited(training.best) >= training.patience
