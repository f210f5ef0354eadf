"""Schedules, optimiser and losses against PyTorch's own and against formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from convworks.training.config import SGD, AdamW, Constant, CrossEntropy, OneCycle, PenaltyLoss, StepSchedule
from convworks.training.loss import loss_function
from convworks.training.optimizer import decays, initial_state, trainable, update
from convworks.training.schedule import learning_rate


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_equals_pytorchs_over_ten_steps(momentum: float, nesterov: bool) -> None:
    if nesterov and not momentum:
        return
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 3))
    theirs = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 3))
    theirs.load_state_dict(ours.state_dict())
    groups = [
        {"params": [p for p in theirs.parameters() if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in theirs.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    reference = torch.optim.SGD(groups, lr=0.1, momentum=momentum, nesterov=nesterov)
    config = SGD(momentum=momentum, nesterov=nesterov, weight_decay=0.01)
    parameters = trainable(ours)
    state = initial_state(config, parameters)
    for step in range(10):
        images, labels = torch.randn(8, 2, 8, 8), torch.randint(0, 3, (8,))
        rate = 0.1 / (step + 1)
        for network in (ours, theirs):
            nn.functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        reference.zero_grad()
        update(config, parameters, state, rate)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def test_adamw_equals_pytorchs_over_ten_steps() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    groups = [{"params": [theirs.weight], "weight_decay": 0.1}, {"params": [theirs.bias], "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=0.01, betas=(0.8, 0.99), eps=1e-7)
    config = AdamW(weight_decay=0.1, betas=(0.8, 0.99), epsilon=1e-7)
    parameters = trainable(ours)
    state = initial_state(config, parameters)
    for _ in range(10):
        images, labels = torch.randn(8, 5), torch.randint(0, 3, (8,))
        for network in (ours, theirs):
            nn.functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
        reference.step()
        reference.zero_grad()
        update(config, parameters, state, 0.01)
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours.bias, theirs.bias, rtol=1e-6, atol=1e-6)


def test_weight_decay_spares_biases_and_norms() -> None:
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3))
    assert [name for name, p in network.named_parameters() if decays(p)] == ["0.weight", "2.weight"]


def test_one_cycle_rises_and_falls_linearly() -> None:
    schedule = OneCycle(peak=1.0, warmup=0.25)
    rates = [learning_rate(schedule, step, 100) for step in range(100)]
    assert rates.index(max(rates)) in (24, 25)
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    rises, falls = (torch.tensor(part).diff() for part in (rates[:25], rates[25:]))
    assert torch.allclose(rises, rises[0], atol=1e-6)
    assert torch.allclose(falls, falls[0], atol=1e-6)
    assert 0 < rates[-1] < 0.01


def test_one_cycle_falls_as_a_cosine_where_told_to() -> None:
    schedule = OneCycle(peak=1.0, warmup=0.5, fall="cosine", final=0.2)
    rates = [learning_rate(schedule, step, 1000) for step in range(500, 1000)]
    expected = [0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * (index + 0.5) / 500)) for index in range(500)]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_one_cycle_without_one_of_its_sides(warmup: float) -> None:
    rates = [learning_rate(OneCycle(peak=1.0, warmup=warmup), step, 10) for step in range(10)]
    assert rates == sorted(rates, reverse=warmup == 0)


def test_steps_divide_at_the_milestones() -> None:
    schedule = StepSchedule(initial=0.1, factor=0.1, milestones=(0.5, 0.75))
    found = [learning_rate(schedule, step, 64_000) for step in (0, 31_999, 32_000, 47_999, 48_000, 63_999)]
    assert found == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert learning_rate(Constant(rate=0.3), 5, 10) == 0.3


def test_label_smoothing_is_its_formula() -> None:
    logits, labels = torch.randn(6, 5), torch.tensor([0, 1, 2, 3, 4, 0])
    target = torch.full((6, 5), 0.1 / 5)
    target[torch.arange(6), labels] += 0.9
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(loss_function(CrossEntropy(smoothing=0.1))(logits, labels), expected)


def test_penalties_are_equations_8_and_9() -> None:
    penalties = torch.rand(6, 5) * 10
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    right = penalties[torch.arange(6), labels]
    torch.testing.assert_close(loss_function(PenaltyLoss(rivals=False))(-penalties, labels), right.mean())
    everything = math.exp(-2.0) + penalties.neg().exp().sum(1)
    expected = (right + everything.log()).mean()
    torch.testing.assert_close(loss_function(PenaltyLoss(rubbish=2.0))(-penalties, labels), expected)
