"""The learning rate as a pure function of how far the run is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from convworks.errors import InputError
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
    """How far a run is: step number `step` (from 0) of `steps`, `steps_per_epoch` of them an epoch.

    `scores` are the values of the metric on validation after each epoch so far, of which more is better.
    """

    step: int
    steps: int
    steps_per_epoch: int = 1
    scores: Sequence[float] = ()


def learning_rate(schedule: Schedule, clock: Clock, warmup: Warmup | None = None) -> float:
    """Return the learning rate of a step; the schedule begins when the warm-up ends, and has the steps that remain."""
    lead = 0 if warmup is None else steps_of(warmup.steps, clock.steps)
    if warmup is not None and clock.step < lead:
        begin = _rate(schedule, clock._replace(step=0, steps=clock.steps - lead, scores=()))
        return warmup.initial + (begin - warmup.initial) * (clock.step + 1) / lead
    scores = clock.scores[math.ceil(lead / clock.steps_per_epoch) :]
    return _rate(schedule, clock._replace(step=clock.step - lead, steps=clock.steps - lead, scores=scores))


def steps_of(moment: int | float, steps: int) -> int:
    """Return the number of the first step at or after a moment: the number of a step, or a share of all."""
    return moment if isinstance(moment, int) else math.ceil(moment * steps - 1e-9)


def check_schedule(training: TrainingConfig, steps: int) -> None:
    """Raise InputError for a schedule whose moments lie beyond the end of a run of `steps` steps."""
    beyond: list[tuple[str, str]] = []
    lead = 0 if training.warmup is None else steps_of(training.warmup.steps, steps)
    if lead >= steps:
        beyond.append(("training.warmup.steps", f"takes {lead} steps"))
    match training.schedule:
        case StepSchedule(milestones=milestones):
            late = [each for each in milestones if isinstance(each, int) and each + lead >= steps]
            beyond += [("training.schedule.milestones", f"has one at step {late[0] + lead}")] if late else []
        case Exponential(epochs=epochs) if epochs >= training.epochs > 1:
            beyond.append(("training.schedule.epochs", f"changes the learning rate first after {epochs} epochs"))
        case Plateau(patience=patience) if patience >= training.epochs > 1:
            beyond.append(("training.schedule.patience", f"changes the learning rate first after {patience} epochs"))
        case _:
            pass
    for where, what in beyond:
        run = f"{training.epochs} {'epoch' if training.epochs == 1 else 'epochs'}, {steps} steps"
        raise InputError(where, f"{what}, but the run has {run}", "shorten it, or raise training.epochs")


def drops(schedule: Plateau, scores: Sequence[float]) -> int:
    """Count how often the plateau schedule has lowered the learning rate after these epochs."""
    best, waited, dropped = -math.inf, 0, 0
    for score in scores:
        best, waited = (score, 0) if score > best else (best, waited + 1)
        if waited >= schedule.patience and dropped < schedule.drops:
            dropped, waited = dropped + 1, 0
    return dropped


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
    # Steps are taken at their middle, so that neither the first nor the last has a rate of exactly 0.
    done = (clock.step + 0.5) / clock.steps
    if done < schedule.rise:
        return _between(schedule.initial, schedule.rate, done / schedule.rise)
    fallen = (done - schedule.rise) / max(1 - schedule.rise, 1e-12)
    if schedule.fall == "cosine":
        fallen = (1 - math.cos(math.pi * fallen)) / 2
    return _between(schedule.rate, schedule.final, fallen)


def _between(start: float, end: float, done: float) -> float:
    return start + (end - start) * done
