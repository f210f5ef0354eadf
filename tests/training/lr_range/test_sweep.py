"""The learning rate range test: what it leaves behind (nothing), what it finds, when it stops."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats
from torch import Tensor

import convworks
from convworks.config import override
from convworks.data.samples import Samples
from convworks.data.sources.open import open_source
from convworks.errors import InputError, RunError
from convworks.recipes import recipe
from convworks.training.loop import step
from convworks.training.lr_range import sweep as module
from convworks.training.lr_range.config import Sweep
from convworks.training.lr_range.curve import smooth
from convworks.training.lr_range.sweep import RangeTest, judged, range_test, readable_test
from convworks.training.progress import Progress
from convworks.training.readings import Reading
from convworks.training.run import prepare
from convworks.training.setup import Setup
from convworks.training.world import ALONE

CHANGES = ("device=cpu", "training.ema=0.9", "training.clip.limit=5.0", "model.name=resnet20", "training.batch_size=16")


def make(*changes: str) -> Setup:
    config = override(recipe("digits/default"), ["device=cpu", *changes])
    return prepare(ALONE, config, open_source("digits"))[0]


def small(setup: Setup, count: int = 64) -> Setup:
    images, targets = setup.train.take(slice(count))
    train = Samples(images=images, targets=targets)
    return replace(setup, train=train)


def everything(setup: Setup, progress: Progress) -> list[Any]:
    """Copy all that a run stands on; but for `random`, which the run-time checks of annotations draw from."""
    networks = [setup.network, *([setup.averaged] if setup.averaged else [])]
    tensors = [t for network in networks for t in (*network.parameters(), *network.buffers())]
    return [
        *(tensor.detach().clone() for tensor in (*tensors, *setup.state.values())),
        *(None if p.grad is None else p.grad.clone() for p in setup.parameters.values()),
        torch.get_rng_state(),
        [module.training for network in networks for module in network.modules()],
        copy.deepcopy(progress.to_state()),
        [str(part) for part in np.random.get_state()],
    ]


def same(first: list[Any], second: list[Any]) -> bool:
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def begun() -> tuple[Setup, Progress]:
    """A run with averaged weights in the middle of an epoch, batch statistics and momentum no longer at zero."""
    setup, progress = small(make(*CHANGES)), Progress()
    setup.network.train()
    for batch in list(setup.batches(progress))[:2]:
        progress.end_step(Reading(step(setup, progress.step, batch, 0.01), batch.size, 0.01), 0.1)
    next(iter(setup.parameters.values())).grad = torch.ones_like(next(iter(setup.parameters.values())))
    torch.manual_seed(77)
    return setup, progress


@pytest.mark.parametrize("highest", [0.1, 1e30])
def test_nothing_is_left_of_it_bit_for_bit(begun: tuple[Setup, Progress], highest: float) -> None:
    setup, progress = begun
    setup.network.eval()
    before = everything(setup, progress)
    result = range_test(setup, Sweep(lowest=1e-4, highest=highest, steps=10), progress=progress)
    assert same(before, everything(setup, progress))
    assert result.exploded == (highest > 1)
    again = range_test(setup, Sweep(lowest=1e-4, highest=highest, steps=10), progress=progress)
    assert again == result


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RunError("disk", "is full"), ValueError("x")])
def test_nothing_is_left_when_it_raises(
    begun: tuple[Setup, Progress], error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, progress = begun
    before, calls = everything(setup, progress), 0

    def breaking(*arguments: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 3:
            np.random.random()
            raise error
        return step(*arguments)

    monkeypatch.setattr(module, "step", breaking)
    with pytest.raises(type(error)):
        range_test(setup, Sweep(steps=10), progress=progress)
    assert calls == 3
    assert same(before, everything(setup, progress))


def test_training_goes_on_as_if_it_had_not_been(begun: tuple[Setup, Progress]) -> None:
    setup, progress = begun
    next(iter(setup.parameters.values())).grad = None
    weights = copy.deepcopy(setup.network.state_dict())
    state = {name: tensor.clone() for name, tensor in setup.state.items()}
    batch = next(setup.batches(progress))
    setup.network.train()
    expected = step(setup, progress.step, batch, 0.01).tolist()
    after = copy.deepcopy(setup.network.state_dict())
    setup.network.load_state_dict(weights)
    for name, tensor in state.items():
        setup.state[name].copy_(tensor)
    range_test(setup, Sweep(steps=10, highest=0.1), progress=progress)
    assert step(setup, progress.step, batch, 0.01).tolist() == expected
    assert all(torch.equal(tensor, after[name]) for name, tensor in setup.network.state_dict().items())


def test_its_steps_are_the_steps_of_training() -> None:
    setup, sweep = make("training.batch_size=600"), Sweep(lowest=1e-3, highest=0.1, steps=10)
    result = range_test(setup, sweep)  # more steps than an epoch has batches
    other, losses, epoch = make("training.batch_size=600"), list[float](), 0
    other.network.train()
    while len(losses) < 10:
        for batch in other.batches(Progress(epoch=epoch)):
            losses.append(float(step(other, len(losses), batch, sweep.rates()[len(losses)])[0]))
            if len(losses) == 10:
                break
        epoch += 1
    assert result.losses == tuple(losses)


def test_rates_are_a_geometric_sequence_with_both_ends() -> None:
    rates = Sweep(lowest=1e-4, highest=1.0, steps=41).rates()
    assert len(rates) == 41
    assert rates == pytest.approx(np.geomspace(1e-4, 1.0, 41))


def test_smoothing_does_not_lag() -> None:
    values = [1 / (1 + math.exp(0.4 * (step - 50))) for step in range(100)]
    smoothed = smooth(np.exp(values).tolist(), 100).losses()
    assert abs(int(np.argmin(np.gradient(np.log(smoothed)))) - 50) <= 1
    assert smooth([3.0] * 20, 20).losses() == pytest.approx([3.0] * 20)
    assert smooth([-3.0 + step for step in range(20)], 20).losses() == pytest.approx(
        [-3.0 + step for step in range(20)]
    )


def test_what_a_known_curve_says() -> None:
    rates = [float(rate) for rate in np.geomspace(1e-5, 10, 121)]  # 20 steps a decade
    exponents = np.log10(rates)
    losses = (
        2.3 / (1 + np.exp(4 * (exponents + 2))) + np.where(exponents > -0.5, 8 * (exponents + 0.5) ** 2, 0)
    ).tolist()
    result = judged(rates, losses, exploded=True, planned=121)
    assert result.steepest == pytest.approx(1e-2, rel=0.15)
    assert result.tenth == pytest.approx(rates[int(np.argmin(losses))] / 10, rel=0.5)  # smoothing rounds the corner
    assert result.suggestion == result.edge == pytest.approx(10**-0.4, rel=0.25)
    assert not result.falling


def test_a_network_that_has_died_is_not_taken_for_one_that_learns() -> None:
    rates = [float(rate) for rate in np.geomspace(1e-4, 10, 101)]
    losses = np.interp(np.log10(rates), [-4, -3.5, -2, -1.5, -0.5, 0, 1], [4, 4, 2.5, 2.5, 3.2, 2.3, 2.3]).tolist()
    result = judged(rates, losses, exploded=False, planned=101)
    assert result.edge == pytest.approx(10**-1.4, rel=0.2)
    assert result.steepest is not None
    assert result.steepest < 0.02


def test_a_loss_that_never_falls_suggests_nothing() -> None:
    rates = [float(rate) for rate in np.geomspace(1, 100, 20)]
    result = judged(rates, [1.0 + index for index in range(20)], exploded=True, planned=20)
    assert (result.edge, result.steepest, result.tenth, result.suggestion) == (None, None, None, None)


def test_a_loss_that_falls_to_the_end_is_said() -> None:
    rates = [float(rate) for rate in np.geomspace(1e-5, 1e-3, 20)]
    assert judged(rates, [2.0 - 0.05 * index for index in range(20)], exploded=False, planned=20).falling


def photographs(seed: int, steps: int) -> tuple[list[float], list[float]]:
    """Return rates, and the losses of a sweep on few photographs: a shallow valley, batches that differ much."""
    rates = np.geomspace(1e-5, 10, steps)
    knots = [-5, -4, -3, -2, -1.5, -1, -0.5, 1]
    loss = np.interp(np.log10(rates), knots, [0.76, 0.74, 0.68, 0.62, 0.64, 0.85, 1.9, 2.5])
    noise = np.interp(np.log10(rates), knots, [0.08, 0.08, 0.09, 0.12, 0.2, 0.3, 0.6, 0.6])
    losses = loss * np.exp(noise * np.random.default_rng(seed).normal(size=steps))
    return rates.tolist(), losses.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_few_photographs_get_a_rate_near_the_end_of_the_valley_or_none(seed: int) -> None:
    suggestions = []
    for steps in (100, 200, 400):
        rates, losses = photographs(seed, steps)
        result = judged(rates, losses, exploded=False, planned=steps)
        assert (result.suggestion is None) == bool(result.unclear)
        suggestions.append(result.suggestion)
    assert all(0.02 < rate < 0.3 for rate in suggestions if rate is not None)
    assert suggestions[-1] is not None


def test_a_rise_that_the_network_survives_does_not_end_the_valley() -> None:
    rates = np.geomspace(1e-5, 10, 200)
    knots, losses = [-5, -4, -3, -2.3, -1.3, -0.6, 1], [3.9, 3.6, 2.62, 2.8, 2.18, 2.4, 2.4]  # momentum overshoots
    result = judged(rates.tolist(), np.interp(np.log10(rates), knots, losses).tolist(), exploded=False, planned=200)
    assert result.suggestion is not None
    assert 0.05 < result.suggestion < 0.25


def test_a_loss_of_chance_alone_is_not_read() -> None:
    rates = np.geomspace(1e-5, 10, 100).tolist()
    losses = (0.7 + 0.1 * np.random.default_rng(0).normal(size=100)).tolist()
    result = judged(rates, losses, exploded=False, planned=100)
    assert result.suggestion is None
    assert "too noisy" in result.unclear


def test_a_noisy_test_takes_more_steps_until_it_can_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken: list[int] = []

    def noisy(setup: Setup, sweep: Sweep, **options: Any) -> RangeTest:
        taken.append(sweep.steps)
        rates, losses = photographs(0, sweep.steps)
        if sweep.steps < 400:
            losses = (0.7 + 0.1 * np.random.default_rng(0).normal(size=sweep.steps)).tolist()
        return judged(rates, losses, exploded=False, planned=sweep.steps)

    monkeypatch.setattr(module, "range_test", noisy)
    result = readable_test(make(), Sweep(steps=100))
    assert taken == [100, 200, 400]
    assert result.suggestion is not None
    assert "once more, with 200 steps" in capsys.readouterr().err


def test_digits_learn_from_what_it_suggests(capsys: pytest.CaptureFixture[str]) -> None:
    result = convworks.lr_range(device="cpu")
    assert result["unclear"] is None
    assert 0.05 < result["suggestion"] < 1
    assert result["next"] == f"convworks train --device cpu --set training.schedule.rate={result['suggestion']:.2g}"
    assert len(result["rates"]) == len(result["losses"]) == len(result["smoothed"])


def test_a_loss_that_is_no_number_at_once_is_an_error() -> None:
    setup = replace(make(), loss=lambda logits, labels: logits.sum() * math.nan)
    with pytest.raises(RunError, match="not a number at the lowest learning rate"):
        range_test(setup, Sweep(steps=10))


def test_another_failure_passes_through() -> None:
    def broken(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        raise RunError("my loss", "is broken")

    with pytest.raises(RunError, match="my loss"):
        range_test(replace(make(), loss=broken), Sweep(steps=10))


@settings(max_examples=repeats(20, 60))
@given(st.floats(1e-307, 1e307), st.floats(1.01, 1e300), st.integers(10, 200))
def test_rates_are_a_geometric_sequence_whatever_its_ends(lowest: float, times: float, steps: int) -> None:
    highest = min(lowest * times, 1.7e308)
    rates = Sweep(lowest=lowest, highest=highest, steps=steps).rates()
    assert (rates[0], rates[-1], len(rates)) == (lowest, highest, steps)
    assert np.log(rates) == pytest.approx(np.linspace(math.log(lowest), math.log(highest), steps), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lowest": 0.0}, "--from|lowest"),
        ({"lowest": math.nan}, "--from|lowest"),
        ({"highest": math.inf}, "--to|highest"),
        ({"lowest": 1.0, "highest": 1.0}, "not above"),
        ({"steps": 9}, "from 10"),
        ({"steps": 2_000_000}, "from 10"),
    ],
)
def test_what_is_no_sweep_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Sweep(**options)
    with pytest.raises(InputError, match=words):
        convworks.lr_range(**options)
