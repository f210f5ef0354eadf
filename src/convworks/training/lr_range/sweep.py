"""The learning rate range test (Smith 2017, section 3.3): which learning rates a network learns from, in one sweep."""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from convworks.console import INTERVAL, counting, say
from convworks.data.batches import Batch
from convworks.data.source import Source
from convworks.errors import InputError, RunError
from convworks.training.config import RunConfig
from convworks.training.freeze import hold
from convworks.training.loop import require_finite, step
from convworks.training.lr_range.config import EXPLOSION, Sweep
from convworks.training.progress import Progress
from convworks.training.run import prepare
from convworks.training.setup import Setup
from convworks.training.world import joined

Report = Callable[[int, int], None]  # steps done, steps in all

MEMORY = 0.9  # of the trailing mean that tells an explosion from a bad batch
LAST = 0.05  # share of the sweep: a lowest loss there is no valley yet
RISE = 0.1  # of the fall of the loss: a valley ends where the loss has risen so far above its lowest
SPREAD = 0.02  # of the smoothing, as a share of the sweep


@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """The loss of every step of a sweep, raw and smoothed, and the learning rates that it points to.

    `edge` is the highest rate before the smoothed loss rises again, as Smith reads the curve; `steepest` is where it
    falls fastest, `tenth` a tenth of where it is lowest, as others do. All are None where it never fell.
    `exploded`: the sweep ended before its highest rate. `falling`: the loss was still falling at its end.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    edge: float | None
    steepest: float | None
    tenth: float | None
    exploded: bool
    falling: bool

    @property
    def suggestion(self) -> float | None:
        """The rate to train with: the edge, because the rate of a schedule is its highest."""
        return self.edge


def sweep_source(config: RunConfig, source: Source, sweep: Sweep) -> RangeTest:
    """Run the test on a new network for a source. Raises InputError for several processes."""
    with joined(config.device) as world:
        if world.size > 1:
            raise InputError("torchrun", f"the range test runs in one process, not {world.size}", "leave torchrun out")
        setup, _ = prepare(world, config, source)
        with counting("learning rates") as report:
            return range_test(setup, sweep, report=report or _lines())


def range_test(
    setup: Setup, sweep: Sweep, *, progress: Progress | None = None, report: Report | None = None
) -> RangeTest:
    """Raise the learning rate from step to step, as a geometric sequence, until the loss explodes.

    It trains on the batches that follow `progress`, and leaves no trace: weights, buffers, state of the optimiser,
    averaged weights, random generators and `progress` are afterwards what they were, however it ends.
    """
    tried = replace(setup, averaged=None)
    rates, losses = sweep.rates(), list[float]()
    best = mean = math.inf
    exploded = False
    with untouched(setup):
        hold(setup.network, setup.parameters, setup.freezing, progress.epoch if progress else 0)
        first = progress.step if progress else 0
        batches = _endless(tried, progress or Progress())
        for number, (rate, batch) in enumerate(zip(rates, batches, strict=False)):
            try:
                loss = float(step(tried, first + number, batch, rate)[0])
                require_finite(tried, f"the loss at step {first + number}", loss, rate)
            except RunError as error:
                if error.where != "training":
                    raise
                exploded = True  # the loss is no number any more
                break
            losses.append(loss)
            mean = loss if number == 0 else MEMORY * mean + (1 - MEMORY) * loss
            best = min(best, mean)
            if report is not None:
                report(number + 1, len(rates))
            if mean > EXPLOSION * best:
                exploded = True
                break
    if not losses:
        remedy = "look at the data and the loss, or begin with a lower --from"
        raise RunError("range test", f"the loss is no number at the lowest learning rate, {rates[0]:g}", remedy)
    return judged(rates[: len(losses)], losses, exploded=exploded, planned=len(rates))


def judged(rates: Sequence[float], losses: Sequence[float], *, exploded: bool, planned: int) -> RangeTest:
    """Return what the losses at these rates say; `planned` is the number of steps of the whole sweep.

    Only the first valley counts: where the loss has risen, a later fall may be that of a network which has died, and
    whose answers are guesses.
    """
    smoothed = smooth(losses, max(1.0, SPREAD * planned))
    fall = smoothed[0] - min(smoothed)
    so_far = np.minimum.accumulate(smoothed)
    end = next((n for n, loss in enumerate(smoothed) if loss > so_far[n] + RISE * fall), len(smoothed))
    lowest = int(np.argmin(smoothed[:end]))
    edge = steepest = tenth = None
    if lowest > 0:
        edge = max(
            rate
            for rate, loss in zip(rates[:end], smoothed, strict=False)
            if loss <= smoothed[lowest] + RISE / 2 * fall
        )
        slopes = np.gradient(smoothed[: lowest + 1], np.log(rates[: lowest + 1]))
        steepest, tenth = rates[int(np.argmin(slopes))], rates[lowest] / 10
    return RangeTest(
        rates=tuple(rates),
        losses=tuple(losses),
        smoothed=tuple(smoothed),
        edge=edge,
        steepest=steepest,
        tenth=tenth,
        exploded=exploded,
        falling=not exploded and lowest > 0 and lowest >= (1 - LAST) * (len(losses) - 1),
    )


def smooth(values: Sequence[float], spread: float) -> list[float]:
    """Return means weighted by a normal curve of this standard deviation, in steps, around each value.

    A trailing mean would show the loss of lower rates than the one it stands at, and suggest rates too high.
    """
    places = np.arange(len(values))
    weights = np.exp(-0.5 * ((places[:, None] - places) / spread) ** 2)
    found: list[float] = (weights @ np.asarray(values) / weights.sum(1)).tolist()
    return found


@contextlib.contextmanager
def untouched(setup: Setup) -> Iterator[None]:
    """Put everything that a training step changes back as it was, bit for bit."""
    networks = [setup.network, *([setup.averaged] if setup.averaged is not None else [])]
    tensors = [t for network in networks for t in (*network.parameters(), *network.buffers())]
    kept = [(tensor, tensor.detach().clone()) for tensor in (*tensors, *setup.state.values())]
    gradients = [(parameter, parameter.grad) for parameter in setup.parameters.values()]
    modes = [(module, module.training) for network in networks for module in network.modules()]
    generators, python, numpy = _generators(), random.getstate(), np.random.get_state()
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in kept:
                tensor.copy_(value)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for module, mode in modes:
            module.training = mode
        for restore, state in generators:
            restore(state)
        random.setstate(python)
        np.random.set_state(numpy)


def _lines() -> Report:
    """Return what writes a line now and then."""
    last = time.perf_counter()

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.perf_counter() - last >= INTERVAL:
            last = time.perf_counter()
            say(f"learning rates: step {done} of {total}")

    return tell


def _generators() -> list[tuple[Callable[[torch.Tensor], None], torch.Tensor]]:
    """Return how to set each of PyTorch's generators back, and to what."""
    found: list[tuple[Callable[[torch.Tensor], None], torch.Tensor]] = [(torch.set_rng_state, torch.get_rng_state())]
    if torch.cuda.is_available():
        found += [
            (partial(torch.cuda.set_rng_state, device=number), torch.cuda.get_rng_state(number))
            for number in range(torch.cuda.device_count())
        ]
    if torch.backends.mps.is_available():
        found.append((torch.mps.set_rng_state, torch.mps.get_rng_state()))
    return found


def _endless(setup: Setup, progress: Progress) -> Iterator[Batch]:
    """Yield batch after batch, from where a run stands through as many epochs as it takes."""
    here = Progress(epoch=progress.epoch, batch=progress.batch)
    while True:
        yield from setup.batches(here)
        here = Progress(epoch=here.epoch + 1)
