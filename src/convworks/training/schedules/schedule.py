"""The learning rate as a pure function of the progress of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from convworks.errors import InputError, counted
from convworks.training.config import TrainingConfig
from convworks.training.schedules.config import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    OneCycle,
    Plateau,
    Schedule,
    StepSchedule,
    Warmup,
)


class Clock(NamedTuple):
    """The progress of a run: step `step` (from 0) of `steps`, with `steps_per_epoch` steps an epoch.

    `scores` holds the validation metric after each epoch so far, signed so that higher is better.
    """

    step: int
    steps: int
    steps_per_epoch: int = 1
    scores: Sequence[float] = ()


def learning_rate(schedule: Schedule, clock: Clock, warmup: Warmup | None = None) -> float:
    """Return the learning rate of a step; the schedule spans the steps after the warm-up."""
    warmup_steps = 0 if warmup is None else steps_of(warmup.steps, clock.steps)
    if warmup is not None and clock.step < warmup_steps:
        first_rate = _rate(schedule, clock._replace(step=0, steps=clock.steps - warmup_steps, scores=()))
        return warmup.initial + (first_rate - warmup.initial) * (clock.step + 1) / warmup_steps
    scores = clock.scores[math.ceil(warmup_steps / clock.steps_per_epoch) :]
    return _rate(
        schedule, clock._replace(step=clock.step - warmup_steps, steps=clock.steps - warmup_steps, scores=scores)
    )


def steps_of(moment: int | float, steps: int) -> int:
    """Return the first step at or after a moment, which is the number of a step or a fraction of all steps."""
    return moment if isinstance(moment, int) else math.ceil(moment * steps - 1e-9)


def check_schedule(training: TrainingConfig, steps: int) -> None:
    """Raise InputError for a schedule with moments beyond the end of a run of `steps` steps."""
    problems: list[tuple[str, str]] = []
    warmup_steps = 0 if training.warmup is None else steps_of(training.warmup.steps, steps)
    if warmup_steps >= steps:
        problems.append(("training.warmup.steps", f"takes {counted(warmup_steps, 'step')}"))
    match training.schedule:
        case StepSchedule(milestones=milestones):
            late = [each for each in milestones if isinstance(each, int) and each + warmup_steps >= steps]
            problems += [("training.schedule.milestones", f"has one at step {late[0] + warmup_steps}")] if late else []
        case Exponential(epochs=epochs) if epochs >= training.epochs > 1:
            problems.append(
                ("training.schedule.epochs", f"changes the learning rate first after {counted(epochs, 'epoch')}")
            )
        case Plateau(patience=patience) if patience >= training.epochs > 1:
            problems.append(("training.schedule.patience", f"changes the learning rate first after {patience} epochs"))
        case _:
            pass
    for field, reason in problems:
        run = f"{counted(training.epochs, 'epoch')}, {counted(steps, 'step')}"
        raise InputError(field, f"{reason}, but the run has {run}", "shorten it, or raise training.epochs")


def drops(schedule: Plateau, scores: Sequence[float]) -> int:
    """Return how many times the plateau schedule has reduced the learning rate after these epochs."""
    best, epochs, count = -math.inf, 0, 0
    for score in scores:
        best, epochs = (score, 0) if score > best else (best, epochs + 1)
        if epochs >= schedule.patience and count < schedule.drops:
            count, epochs = count + 1, 0
    return count


def _rate(schedule: Schedule, clock: Clock) -> float:
    match schedule:
        case Constant():
            return schedule.rate
        case StepSchedule():
            passed = sum(clock.step >= steps_of(each, clock.steps) for each in schedule.milestones)
            return schedule.rate * schedule.factor**passed
        case Exponential():
            return schedule.rate * schedule.factor ** (clock.step // (schedule.epochs * clock.steps_per_epoch))
        case Plateau():
            return schedule.rate * schedule.factor ** drops(schedule, clock.scores)
        case Linear():
            return _between(schedule.rate, schedule.final, clock.step / clock.steps)
        case Cosine():
            return _between(schedule.rate, schedule.final, (1 - math.cos(math.pi * clock.step / clock.steps)) / 2)
        case OneCycle():
            return _one_cycle(schedule, clock)


def _one_cycle(schedule: OneCycle, clock: Clock) -> float:
    # Evaluated at the middle of each step, so that neither the first nor the last has a rate of exactly 0.
    fraction = (clock.step + 0.5) / clock.steps
    if fraction < schedule.rise:
        return _between(schedule.initial, schedule.rate, fraction / schedule.rise)
    fall = (fraction - schedule.rise) / max(1 - schedule.rise, 1e-12)
    if schedule.fall == "cosine":
        fall = (1 - math.cos(math.pi * fall)) / 2
    return _between(schedule.rate, schedule.final, fall)


def _between(start: float, end: float, fraction: float) -> float:
    return start + (end - start) * fraction
