"""The learning rate as a pure function of the share of all steps that is done."""

from __future__ import annotations

import math

from convworks.training.config import Constant, OneCycle, StepSchedule

Schedule = OneCycle | StepSchedule | Constant


def learning_rate(schedule: Schedule, step: int, steps: int) -> float:
    """Return the learning rate of step number `step` (from 0) out of `steps`."""
    match schedule:
        case OneCycle():
            return _one_cycle(schedule, step, steps)
        case StepSchedule():
            passed = sum(step >= milestone * steps for milestone in schedule.milestones)
            return schedule.initial * schedule.factor**passed
        case Constant():
            return schedule.rate


def _one_cycle(schedule: OneCycle, step: int, steps: int) -> float:
    # Steps are taken at their middle, so that neither the first nor the last has a rate of exactly 0.
    done, rise = (step + 0.5) / steps, schedule.warmup
    if done < rise:
        return schedule.initial + (schedule.peak - schedule.initial) * done / rise
    fallen = (done - rise) / max(1 - rise, 1e-12)
    if schedule.fall == "cosine":
        fallen = (1 - math.cos(math.pi * fallen)) / 2
    return schedule.peak + (schedule.final - schedule.peak) * fallen
