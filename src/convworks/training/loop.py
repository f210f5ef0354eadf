"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from convworks.data import random
from convworks.data.batches import Batch
from convworks.errors import RunError
from convworks.hardware import seed_torch
from convworks.inference.runtime import mixed
from convworks.layers.whole_batch import WholeBatch
from convworks.losses.functions import batch_loss
from convworks.training.clipping import average_decay, clip, largest_gradients, move_average
from convworks.training.events import Events
from convworks.training.freeze import hold
from convworks.training.optimizers.update import update
from convworks.training.progress import Progress
from convworks.training.readings import Reading, Readings, computes_ahead
from convworks.training.resolution import size_at, with_masks_of
from convworks.training.setup import Setup
from convworks.training.validation import validate


def fit(setup: Setup, progress: Progress, events: Events) -> None:
    """Train from `progress` to the last epoch, or until `patience` runs out; updates both arguments in place."""
    while progress.epoch < setup.config.training.epochs and not exhausted(setup, progress):
        progress.readings = Readings(setup.device, partial(require_finite, setup, gradients=True))
        hold(setup.network, setup.parameters, setup.freezing, progress.epoch)
        started = time.perf_counter()
        for batch in setup.batches(progress):
            rate = setup.rate(progress, progress.step)
            sums = step(setup, progress.step, batch, rate)
            now = time.perf_counter()
            progress.end_step(Reading(sums, batch.size, rate), now - started)
            started = now
            if progress.step % setup.steps_per_point == 0:
                progress.mark(rate, progress.step / setup.steps_per_epoch)
            events.step_ended(setup, progress)
        validation = validate(setup)
        rate = setup.rate(progress, progress.step - 1)
        require_finite(setup, f"the validation loss after step {progress.step}", validation["loss"], rate)
        progress.seconds += time.perf_counter() - started
        progress.end_epoch(validation, rate)
        events.epoch_ended(setup, progress)


def step(setup: Setup, number: int, batch: Batch, rate: float) -> Float[Tensor, "2"]:
    """Take one training step; return the mean loss of the batch before the update and its sum of scores, on the device.

    Raises RunError for a non-finite loss before it reaches the weights. On a GPU, which this does not synchronise with,
    the loss is checked when the sums are read.
    """
    training = setup.config.training
    sums = torch.zeros(2, dtype=setup.world.double, device=setup.device)
    # All processes need the same number of parts: they synchronise, though their batches may differ by one sample.
    count = max(1, min(training.accumulation, batch.size // setup.world.size))
    for part, last in parts(batch, count):
        with setup.world.communicating(setup.forward, last):
            sums += backward(setup, number, part)
    sums = setup.world.summed(sums)
    if not computes_ahead(setup.device):
        require_finite(setup, f"the loss at step {number}", float(sums[0]), rate, gradients=True)
    if training.clip:
        clip(training.clip, setup.parameters)
    update(training.optimizer, setup.parameters, setup.state, rate, setup.factors)
    if setup.averaged is not None and training.ema is not None:
        move_average(setup.averaged, setup.network, average_decay(training.ema, number))
    return sums


def parts(batch: Batch, count: int) -> Iterator[tuple[Batch, bool]]:
    """Yield the parts of a batch, of nearly equal size, and whether each is the last one."""
    tensors = (batch.images, batch.targets, batch.others)
    cut = [(None,) * count if tensor is None else tensor.tensor_split(count) for tensor in tensors]
    first = batch.first
    for number, (images, targets, others) in enumerate(zip(*cut, strict=True), start=1):
        yield batch._replace(images=images, targets=targets, others=others, first=first), number == count
        first += len(targets)


def backward(setup: Setup, number: int, batch: Batch) -> Float[Tensor, "2"]:
    """Accumulate the gradients of a part of a batch; return its weighted loss and sum of scores."""
    device = setup.device
    batch = batch._replace(images=batch.images.to(device), targets=batch.targets.to(device))
    if batch.others is not None:
        batch = batch._replace(others=batch.others.to(device))
    inputs = setup.input.normalise(batch.images)
    smaller = size_at(setup.config.training.resolutions, number, setup.steps)
    inputs = inputs if smaller is None else setup.input.resize(inputs, smaller)
    batch = with_masks_of(batch, smaller, setup.train.spatial)
    seed_torch(random.step_seed(setup.config.seed, number), device)
    with mixed(device, setup.precision), random_numbers(batch):
        outputs, answers = setup.forward(inputs)
    loss = batch_loss(setup.loss, answers, batch) * (len(batch.targets) / batch.size)
    (loss * setup.world.size).backward()  # type: ignore[no-untyped-call]  # processes average their gradients
    targets = batch.targets if batch.others is None or batch.weight >= 0.5 else batch.others
    score = setup.task.scored(outputs.detach(), targets).sum()
    return torch.stack([loss.detach().to(setup.world.double), score.to(setup.world.double)])


def random_numbers(batch: Batch) -> AbstractContextManager[object]:
    """Return the context in which layers draw for a part of a batch what they draw for it in the whole batch."""
    return nullcontext() if len(batch.targets) == batch.size else WholeBatch(batch.first, batch.size)


def require_finite(setup: Setup, what: str, loss: float, rate: float, *, gradients: bool = False) -> None:
    """Raise RunError for a non-finite loss, before it reaches the weights or a checkpoint."""
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
    """Return whether early stopping ends the run: `patience` epochs without improvement of the metric `best`."""
    training = setup.config.training
    return training.patience is not None and progress.waited(training.best) >= training.patience
