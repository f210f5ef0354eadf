"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from convworks.data import random
from convworks.data.batches import Samples, batches, normalise, steps_per_epoch
from convworks.data.preprocess import Preprocessing
from convworks.errors import RunError
from convworks.layers.network import Network
from convworks.training.config import RunConfig
from convworks.training.loss import Loss
from convworks.training.optimizer import update
from convworks.training.progress import Progress
from convworks.training.schedule import learning_rate

POINTS = 100  # of the curve of training


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a run works with, and does not change while it runs (but for the values of network and optimiser state)."""

    config: RunConfig
    network: Network
    state: Mapping[str, Tensor]
    parameters: Mapping[str, Tensor]
    preprocessing: Preprocessing
    train: Samples
    validation: Samples
    loss: Loss
    measure: Callable[[Setup], dict[str, float]]
    precision: torch.dtype

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


class Events:
    """What happens around the loop; each method does nothing unless a subclass says otherwise."""

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """After each update of the weights."""

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """After each validation; the history's last row is the epoch's."""


def fit(setup: Setup, progress: Progress, events: Events) -> None:
    """Train from where `progress` stands to the last epoch, or until `patience` runs out; both are changed in place."""
    config, train = setup.config.training, setup.train
    while progress.epoch < config.epochs and not exhausted(setup, progress):
        setup.network.train()
        started = time.perf_counter()
        rate = learning_rate(config.schedule, max(0, progress.step - 1), setup.steps)  # if only validation is left
        for images, labels in batches(
            train,
            setup.config.augment,
            batch_size=config.batch_size,
            seed=setup.config.seed,
            epoch=progress.epoch,
            start=progress.batch,
        ):
            rate = learning_rate(config.schedule, progress.step, setup.steps)
            loss, correct = step(setup, progress.step, images, labels, rate)
            now = time.perf_counter()
            progress.end_step(loss, correct, len(labels), now - started)
            started = now
            if progress.step % setup.steps_per_point == 0:
                progress.mark(rate, progress.step / setup.steps_per_epoch)
            events.step_ended(setup, progress)
        validation = setup.measure(setup)
        require_finite(setup, f"the validation loss after step {progress.step}", validation["loss"], rate)
        progress.seconds += time.perf_counter() - started
        progress.end_epoch(validation, learning_rate(config.schedule, progress.step - 1, setup.steps))
        events.epoch_ended(setup, progress)


def step(setup: Setup, number: int, images: Tensor, labels: Tensor, rate: float) -> tuple[float, int]:
    """Take one training step; return the mean loss and the number of correct answers of the batch before it."""
    torch.manual_seed(random.step_seed(setup.config.seed, number))
    device = next(iter(setup.parameters.values())).device
    images, labels = images.to(device), labels.to(device)
    inputs = normalise(images, setup.preprocessing.mean, setup.preprocessing.std)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=setup.precision == torch.bfloat16):
        logits, auxiliary = setup.network.outputs(inputs)
    loss = setup.loss(logits.float(), labels)
    for name, others in auxiliary.items():
        loss = loss + setup.network.auxiliary_weights[name] * setup.loss(others.float(), labels)
    value = loss.item()
    require_finite(setup, f"the loss at step {number}", value, rate)
    loss.backward()  # type: ignore[no-untyped-call]
    update(setup.config.training.optimizer, setup.parameters, setup.state, rate)
    return value, int((logits.argmax(1) == labels).sum())


def require_finite(setup: Setup, what: str, loss: float, rate: float) -> None:
    """Raise RunError for a loss that is infinite or no number, before it reaches a checkpoint."""
    if not math.isfinite(loss):
        name = highest(setup.config)
        lower = getattr(setup.config.training.schedule, name) / 10
        raise RunError(
            "training",
            f"{what} is {loss} (learning rate {rate:.4g})",
            f"lower the learning rate, for example --set training.schedule.{name}={lower:.2g}",
        )


def highest(config: RunConfig) -> str:
    """Name the field that holds the schedule's highest learning rate."""
    return {"one_cycle": "peak", "step": "initial", "constant": "rate"}[config.training.schedule.kind]


def exhausted(setup: Setup, progress: Progress) -> bool:
    """Tell whether early stopping ends the run: `patience` epochs without a better validation accuracy."""
    patience = setup.config.training.patience
    return patience is not None and progress.waited() >= patience
