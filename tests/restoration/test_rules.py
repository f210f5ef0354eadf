"""The rules that stop a fit, on curves whose minimum is known; the moving variance against NumPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import convworks
from convworks.restoration.rules import HELD_OUT, ITERATIONS, MOVING_VARIANCE, RULES, WINDOW, Best, rule_of, stopped
from convworks.restoration.variance import MovingVariance


def stopping(name: str, values: list[float]) -> tuple[int, int]:
    """Return at which iteration a rule stops, and which it has chosen."""
    best = Best()
    for iteration, value in enumerate(values, start=1):
        best = best.after(iteration, value, RULES[name].tolerance)
        if stopped(RULES[name], best, iteration):
            return iteration, best.iteration
    return 0, best.iteration


def test_a_rule_waits_for_its_patience_and_chooses_the_minimum() -> None:
    valley = [abs(n - 600) + 1.0 for n in range(1, 4000)]
    assert stopping(HELD_OUT, valley) == (900, 600)
    assert stopping(MOVING_VARIANCE, valley) == (1600, 600)
    assert stopping(ITERATIONS, valley)[0] == 0


def test_a_later_valley_is_reached_over_a_hill_shorter_than_the_patience() -> None:
    hill = [5.0] * 100 + [3.0] + [4.0] * 200 + [2.0] + [9.0] * 1000
    assert stopping(HELD_OUT, hill)[1] == 302


def test_of_a_flat_valley_the_end_is_chosen_where_pixels_are_held_out() -> None:
    """Waiting begins at its lowest point, 600; at 700 it is 0.2 % higher, at 800 half a percent."""
    falling = [2 - n / 1000 for n in range(599)]
    flat = [*falling, 1.0] + [1.002] * 100 + [1.005] * 100 + [1.01] * 1000
    assert stopping(HELD_OUT, flat) == (900, 700)
    assert stopping(MOVING_VARIANCE, flat + [2.0] * 300) == (1600, 600)
    assert stopping(HELD_OUT, [*flat[:750], 0.9, *flat[750:]])[1] == 751


def test_equal_values_keep_the_first() -> None:
    assert Best(iteration=3, value=1.0).after(4, 1.0).iteration == 3
    assert Best().after(1, math.inf).iteration == 0


@pytest.mark.parametrize("shape", [(1, 3, 8, 9), (1, 1, 300, 200)])
def test_the_moving_variance_is_that_of_the_window(shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(0)
    outputs = draw.random((WINDOW + 20, *shape), dtype=np.float32) ** 2
    moving = MovingVariance(torch.zeros(shape))
    values = [moving.add(torch.from_numpy(output)) for output in outputs]
    assert values[: WINDOW - 1] == [None] * (WINDOW - 1)
    step = moving.stride
    for last in (WINDOW, WINDOW + 7, WINDOW + 20):
        window = outputs[last - WINDOW : last, :, :, ::step, ::step]
        assert values[last - 1] == pytest.approx(float(window.astype(np.float64).var(0).mean()), rel=1e-5)
    again = MovingVariance(torch.zeros(shape))
    again.restore(moving.outputs, moving.sums, moving.count)
    new = torch.from_numpy(outputs[0])
    assert again.add(new) == moving.add(new)


def test_the_moving_variance_sees_all_of_a_jpeg_block() -> None:
    """An output that changes only at the odd places of blocks, in a large image: 4 would be the smallest stride."""
    moving = MovingVariance(torch.zeros(1, 1, 512, 512))
    output = torch.zeros(1, 1, 512, 512)
    output[:, :, 1::2, 1::2] = 1.0
    values = [moving.add(output if number % 2 else torch.zeros_like(output)) for number in range(WINDOW)]
    assert values[-1] == pytest.approx(0.25 / 4, rel=0.05)


def test_an_unknown_rule_names_its_neighbour() -> None:
    with pytest.raises(convworks.InputError, match=r"'heldout' \(did you mean 'held-out'"):
        rule_of("heldout")
