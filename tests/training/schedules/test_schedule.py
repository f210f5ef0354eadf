"""Schedules against PyTorch's own and against formulas."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

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
from convworks.training.schedules.schedule import Clock, check_schedule, drops, learning_rate, steps_of

lr_scheduler = torch.optim.lr_scheduler
CASES: dict[str, tuple[Schedule, Any]] = {
    "constant": (Constant(rate=0.4), lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    "step": (StepSchedule(rate=0.4, milestones=(3, 0.75)), lambda o: lr_scheduler.MultiStepLR(o, [3, 8])),
    "exponential": (
        Exponential(rate=0.4, factor=0.96, epochs=2),
        lambda o: lr_scheduler.StepLR(o, step_size=4, gamma=0.96),
    ),
    "linear": (Linear(rate=0.4, final=0.1), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.25, total_iters=10)),
    "cosine": (Cosine(rate=0.4, final=0.1), lambda o: lr_scheduler.CosineAnnealingLR(o, 10, eta_min=0.1)),
}


@pytest.mark.parametrize("case", CASES)
def test_ten_steps_equal_pytorchs(case: str) -> None:
    schedule, make = CASES[case]
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.4)
    reference = make(optimizer)
    for step in range(10):
        assert learning_rate(schedule, Clock(step, 10, 2)) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6)
        optimizer.step()
        reference.step()


def test_a_warm_up_equals_pytorchs_before_a_schedule() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.4)
    rise = lr_scheduler.LinearLR(optimizer, 0.25, 1.0, total_iters=3)
    fall = lr_scheduler.CosineAnnealingLR(optimizer, 6)
    reference = lr_scheduler.SequentialLR(optimizer, [rise, fall], [4])
    for step in range(10):
        rate = learning_rate(Cosine(rate=0.4), Clock(step, 10), Warmup(steps=4))
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6)
        optimizer.step()
        reference.step()


def test_a_warm_up_from_another_rate_takes_a_share_of_the_run() -> None:
    rates = [learning_rate(Constant(rate=0.1), Clock(step, 10), Warmup(steps=0.2, initial=0.01)) for step in range(4)]
    assert rates == pytest.approx([0.055, 0.1, 0.1, 0.1])


def test_plateau_equals_pytorchs() -> None:
    """Krizhevsky et al. 2012: divided by 10 when the validation error stops improving, three times."""
    generator = torch.Generator().manual_seed(4)
    schedule = Plateau(rate=0.01, patience=3, drops=100)
    for _ in range(20):
        scores = torch.rand(60, generator=generator).cumsum(0).sub(torch.arange(60) * 0.5).tolist()
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.01)
        reference = lr_scheduler.ReduceLROnPlateau(optimizer, "max", 0.1, patience=2, threshold=0.0, min_lr=0, eps=0)
        for epoch, score in enumerate(scores):
            clock = Clock(epoch, 60, 1, scores[:epoch])
            expected = optimizer.param_groups[0]["lr"]
            assert learning_rate(schedule, clock) == pytest.approx(expected, rel=1e-6, abs=1e-60)
            optimizer.step()
            reference.step(score)


def test_plateau_leaves_the_epochs_of_the_warm_up_out() -> None:
    schedule, flat = Plateau(rate=0.1, patience=2), [0.5] * 5
    assert learning_rate(schedule, Clock(50, 200, 10, flat), Warmup(steps=50)) == 0.1
    assert learning_rate(schedule, Clock(80, 200, 10, [*flat, 0.5, 0.5, 0.5]), Warmup(steps=50)) == pytest.approx(0.01)


def test_a_moment_is_a_share_or_a_whole_number() -> None:
    with pytest.raises(ValueError, match="steps"):
        Warmup(steps=1.0)


def test_plateau_divides_no_more_often_than_it_may() -> None:
    assert drops(Plateau(rate=0.01, patience=2, drops=3), [0.5] * 30) == 3
    assert drops(Plateau(rate=0.01, patience=2), [0.1, 0.2, 0.3, 0.4]) == 0


def test_one_cycle_rises_and_falls_linearly() -> None:
    schedule = OneCycle(rate=1.0, rise=0.25)
    rates = [learning_rate(schedule, Clock(step, 100)) for step in range(100)]
    assert rates.index(max(rates)) in (24, 25)
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    rises, falls = (torch.tensor(part).diff() for part in (rates[:25], rates[25:]))
    assert torch.allclose(rises, rises[0], atol=1e-6)
    assert torch.allclose(falls, falls[0], atol=1e-6)
    assert 0 < rates[-1] < 0.01


def test_one_cycle_falls_as_a_cosine_where_told_to() -> None:
    schedule = OneCycle(rate=1.0, rise=0.5, fall="cosine", final=0.2)
    rates = [learning_rate(schedule, Clock(step, 1000)) for step in range(500, 1000)]
    expected = [0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * (index + 0.5) / 500)) for index in range(500)]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize("rise", [0.0, 1.0])
def test_one_cycle_without_one_of_its_sides(rise: float) -> None:
    rates = [learning_rate(OneCycle(rate=1.0, rise=rise), Clock(step, 10)) for step in range(10)]
    assert rates == sorted(rates, reverse=rise == 0)


def test_steps_divide_at_the_milestones() -> None:
    schedule = StepSchedule(rate=0.1, factor=0.1, milestones=(0.5, 0.75))
    rates = [learning_rate(schedule, Clock(step, 64_000)) for step in (0, 31_999, 32_000, 47_999, 48_000, 63_999)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_moments() -> None:
    assert steps_of(7, 100) == 7
    assert [steps_of(share, 10) for share in (0.05, 0.1, 0.3, 0.75)] == [1, 1, 3, 8]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"schedule": StepSchedule(rate=0.1, milestones=(50, 400))},
            r"milestones: has one at step 400.*4 epochs, 100 st",
        ),
        ({"schedule": StepSchedule(rate=0.1, milestones=(90,)), "warmup": Warmup(steps=10)}, r"milestones.*step 100"),
        ({"schedule": Constant(rate=0.1), "warmup": Warmup(steps=100)}, r"training\.warmup\.steps: takes 100 steps"),
        ({"schedule": Exponential(rate=0.1, factor=0.9, epochs=8)}, r"schedule\.epochs.*first after 8 epochs"),
        ({"schedule": Plateau(rate=0.1, patience=4)}, r"schedule\.patience.*first after 4 epochs"),
    ],
)
def test_a_schedule_longer_than_the_run(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_schedule(TrainingConfig(epochs=4, batch_size=8, **changes), 100)


def test_schedules_that_fit() -> None:
    for schedule in (
        Constant(rate=0.1),
        StepSchedule(rate=0.1, milestones=(50, 0.9)),
        Plateau(rate=0.1, patience=3),
        OneCycle(rate=0.1),
    ):
        check_schedule(TrainingConfig(epochs=4, batch_size=8, schedule=schedule, warmup=Warmup(steps=40)), 100)
