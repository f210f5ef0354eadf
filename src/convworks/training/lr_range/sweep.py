"""The learning rate range test (Smith 2017, section 3.3): one sweep over learning rates."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from convworks.console import counting, say
from convworks.data.batches import Batch
from convworks.data.source import Source
from convworks.errors import InputError, RunError
from convworks.training.config import RunConfig
from convworks.training.freeze import hold
from convworks.training.loop import require_finite, step
from convworks.training.lr_range.config import EXPLOSION, MOST, NEVER_FELL, Sweep
from convworks.training.lr_range.curve import first_valley, smooth
from convworks.training.progress import Progress
from convworks.training.run import prepare
from convworks.training.setup import Setup
from convworks.training.world import joined

Report = Callable[[int, int], None]  # steps done, steps in all

MEMORY = 0.9  # decay of the running mean that tells an explosion from a bad batch


@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """The loss of every step of a sweep, raw and smoothed, and the learning rates derived from it.

    `edge` is the highest rate before the smoothed loss rises again, as Smith reads the curve; `steepest` is the rate
    where it falls fastest, `tenth` a tenth of the rate where it is lowest, as others do. All are None if the curve
    cannot be read: `unclear` then says why. `exploded`: the sweep stopped before its highest rate. `falling`: the loss
    was still falling at the end. `planned` is the number of steps of the whole sweep.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    edge: float | None
    steepest: float | None
    tenth: float | None
    exploded: bool
    falling: bool
    unclear: str
    planned: int

    @property
    def suggestion(self) -> float | None:
        """The rate to train with: the edge, because the rate of a schedule is its maximum."""
        return self.edge


def sweep_source(config: RunConfig, source: Source, sweep: Sweep) -> RangeTest:
    """Run the test with a new network for a source. Raises InputError for several processes."""
    with joined(config.device) as world:
        if world.size > 1:
            raise InputError("torchrun", f"the range test runs in one process, not {world.size}", "leave torchrun out")
        setup, _ = prepare(world, config, source)
        return readable_test(setup, sweep)


def readable_test(setup: Setup, sweep: Sweep) -> RangeTest:
    """Run the test, and where its loss is too noisy to read, again with twice and four times the steps."""
    for times in (1, 2, 4):
        longer = replace(sweep, steps=min(times * sweep.steps, MOST))
        with counting("learning rates") as report:
            result = range_test(setup, longer, report=report)
        if result.unclear in ("", NEVER_FELL) or times == 4:
            return result
        say(f"{result.unclear}: once more, with {min(2 * longer.steps, MOST)} steps")
    raise AssertionError("unreachable")


def range_test(
    setup: Setup, sweep: Sweep, *, progress: Progress | None = None, report: Report | None = None
) -> RangeTest:
    """Increase the learning rate geometrically from step to step, until the loss explodes.

    It trains on the batches that follow `progress`, and has no side effects: weights, buffers, optimiser state,
    averaged weights, random generators and `progress` are restored, however it ends.
    """
    plain_setup = replace(setup, averaged=None)
    rates, losses = sweep.rates(), list[float]()
    best = mean = math.inf
    exploded = False
    with untouched(setup):
        hold(setup.network, setup.parameters, setup.freezing, progress.epoch if progress else 0)
        first = progress.step if progress else 0
        batches = _endless(plain_setup, progress or Progress())
        for number, (rate, batch) in enumerate(zip(rates, batches, strict=False)):
            try:
                loss = float(step(plain_setup, first + number, batch, rate)[0])
                require_finite(plain_setup, f"the loss at step {first + number}", loss, rate)
            except RunError as error:
                if error.where != "training":
                    raise
                exploded = True  # the loss is not finite
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
        remedy = "check data and loss, or use a lower --from"
        raise RunError("range test", f"the loss is not a number at the lowest learning rate, {rates[0]:g}", remedy)
    return judged(rates[: len(losses)], losses, exploded=exploded, planned=len(rates))


def judged(rates: Sequence[float], losses: Sequence[float], *, exploded: bool, planned: int) -> RangeTest:
    """Derive the suggested rates from the losses at these rates, of a sweep of `planned` steps."""
    curve = smooth(losses, planned)
    valley = first_valley(curve, rates, exploded=exploded)
    edge = steepest = tenth = None
    if not valley.unclear:
        edge, tenth = rates[valley.end], rates[valley.lowest] / 10
        slopes = np.gradient(curve.losses()[: valley.lowest + 1], np.log(rates[: valley.lowest + 1]))
        steepest = rates[int(np.argmin(slopes))]
    return RangeTest(
        rates=tuple(rates),
        losses=tuple(losses),
        smoothed=tuple(curve.losses()),
        edge=edge,
        steepest=steepest,
        tenth=tenth,
        exploded=exploded,
        falling=valley.falling,
        unclear=valley.unclear,
        planned=planned,
    )


@contextlib.contextmanager
def untouched(setup: Setup) -> Iterator[None]:
    """Restore everything that a training step changes, bit for bit."""
    networks = [setup.network, *([setup.averaged] if setup.averaged is not None else [])]
    tensors = [t for network in networks for t in (*network.parameters(), *network.buffers())]
    values = [(tensor, tensor.detach().clone()) for tensor in (*tensors, *setup.state.values())]
    gradients = [(parameter, parameter.grad) for parameter in setup.parameters.values()]
    modes = [(module, module.training) for network in networks for module in network.modules()]
    generators, python, numpy = _generators(), random.getstate(), np.random.get_state()
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in values:
                tensor.copy_(value)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for module, mode in modes:
            module.training = mode
        for restore, state in generators:
            restore(state)
        random.setstate(python)
        np.random.set_state(numpy)


def _generators() -> list[tuple[Callable[[torch.Tensor], None], torch.Tensor]]:
    """Return the state of each of PyTorch's random generators, with the function that restores it."""
    states: list[tuple[Callable[[torch.Tensor], None], torch.Tensor]] = [(torch.set_rng_state, torch.get_rng_state())]
    if torch.cuda.is_available():
        states += [
            (partial(torch.cuda.set_rng_state, device=number), torch.cuda.get_rng_state(number))
            for number in range(torch.cuda.device_count())
        ]
    if torch.backends.mps.is_available():
        states.append((torch.mps.set_rng_state, torch.mps.get_rng_state()))
    return states


def _endless(setup: Setup, progress: Progress) -> Iterator[Batch]:
    """Yield batches from the progress of a run on, through as many epochs as needed."""
    position = Progress(epoch=progress.epoch, batch=progress.batch)
    while True:
        yield from setup.batches(position)
        position = Progress(epoch=position.epoch + 1)
