"""Iterations of a fit against the same written with autograd and torch.optim; what is not fitted has no influence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convworks.models.catalogue import Shape, create
from convworks.restoration.fit import Fit, Setup, begin, ended, jittered, prepare, step
from convworks.restoration.observation import observe
from convworks.restoration.problems import Fitting
from convworks.restoration.rules import HELD_OUT, ITERATIONS, RULES

SIDE = 24
PIXELS = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def setup(pixels: np.ndarray = PIXELS, *, rule: str = ITERATIONS, jitter: float = 1 / 30, scale: int = 1) -> Setup:
    return prepare(
        observe(pixels, scale=scale),
        channels=4,
        fitting=Fitting(jitter=jitter),
        rule=RULES[rule],
        iterations=2,
        seed=3,
    )


def fitted(given: Setup) -> Fit:
    torch.manual_seed(0)
    network = create("prior_hole2", Shape(classes=3, channels=4, size=given.observation.size)).train()
    return begin(given, network, network)


@pytest.mark.parametrize("scale", [1, 2])
def test_iterations_are_those_of_plain_autograd(scale: int) -> None:
    """In single precision, the first two iterations differ by rounding alone; Adam makes much of it later."""
    given = setup(PIXELS[: SIDE // scale, : SIDE // scale], scale=scale)
    fit, peer = fitted(given), fitted(given).network
    optimizer = torch.optim.Adam(peer.parameters(), lr=0.01)
    for number in range(2):
        optimizer.zero_grad()
        output = peer(jittered(given, number))
        loss = torch.nn.functional.mse_loss(given.observation.operator(output), given.observation.values)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        row = step(given, fit)
        assert row.loss == pytest.approx(loss.item(), rel=1e-3)
        assert torch.allclose(fit.image, output.detach(), atol=2e-3)
    assert ended(given, fit) == ITERATIONS


def test_pixels_that_are_held_out_or_unknown_do_not_change_the_fit() -> None:
    known = np.ones((SIDE, SIDE), dtype=bool)
    known[:6] = False
    options = {"channels": 4, "fitting": Fitting(block=8), "rule": RULES[HELD_OUT], "iterations": None, "seed": 1}
    first = prepare(observe(PIXELS, known), **options)  # type: ignore[arg-type]
    assert first.held is not None
    others = PIXELS.copy()
    others[:6] = 0
    others.reshape(-1, 3)[first.held.numpy()] = 255
    second = prepare(observe(others, known), **options)  # type: ignore[arg-type]
    assert first.base is not None
    assert second.base is not None
    assert torch.equal(first.base, second.base)
    fits = [fitted(first), fitted(second)]
    for _ in range(3):
        rows = [step(each, fit) for each, fit in zip((first, second), fits, strict=True)]
        assert rows[0].loss == rows[1].loss
        assert rows[0].held_out != rows[1].held_out
    assert torch.equal(fits[0].averaged, fits[1].averaged)


def test_the_best_iteration_is_the_one_with_the_smallest_held_out_error() -> None:
    given = setup(rule=HELD_OUT)
    fit = fitted(given)
    errors, images = [], []
    for _ in range(6):
        errors.append(step(given, fit).held_out or 0.0)
        images.append(fit.averaged.clone())
    best = int(np.argmin(errors))
    assert fit.best.iteration == best + 1
    assert torch.equal(fit.image, images[best])


def test_the_average_is_that_of_the_last_quarter_and_later_exponential() -> None:
    given = setup(jitter=0.0)
    fit = fitted(given)
    outputs = iter(torch.full((1, 3, SIDE, SIDE), value, requires_grad=True) for value in (0.9, *[0.5] * 9, 0.0))
    fit.forward = lambda _: next(outputs)
    for _ in range(10):
        step(given, fit)
    assert torch.equal(fit.averaged, torch.full_like(fit.averaged, 0.5))
    step(given, fit)
    assert float(fit.averaged.mean()) == pytest.approx(0.5 * (1 - 4 / 11))
    fit.iteration, fit.forward = 999, lambda _: torch.ones(1, 3, SIDE, SIDE, requires_grad=True)
    before = float(fit.averaged.mean())
    step(given, fit)
    assert float(fit.averaged.mean()) == pytest.approx(0.99 * before + 0.01)


def test_noise_of_the_input_depends_on_the_iteration_alone() -> None:
    given = setup()
    assert torch.equal(jittered(given, 7), jittered(given, 7))
    assert not torch.equal(jittered(given, 7), jittered(given, 8))
    assert float((jittered(given, 7) - given.input).std()) == pytest.approx(1 / 30, rel=0.05)
    still = setup(jitter=0.0)
    assert torch.equal(jittered(still, 7), still.input)
