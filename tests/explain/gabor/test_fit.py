"""Gabor functions that are known come back; noise is no Gabor function."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from convworks.explain.gabor.controls import SHUFFLED, TRAINED, UNTRAINED, fits, shuffled
from convworks.explain.gabor.fit import Gabor, fit_gabor, gabor, principal_colour

SIZE = (11, 11)


def known(orientation: float, frequency: float, phase: float) -> Gabor:
    return Gabor(
        amplitude=0.7,
        orientation=orientation,
        frequency=frequency,
        phase=phase,
        x=0.6,
        y=-0.8,
        width=1.9,
        length=2.6,
        r2=1.0,
    )


@pytest.mark.parametrize(
    ("orientation", "frequency", "phase"),
    [(0.0, 0.22, -1.9), (0.4, 0.12, 0.5), (1.3, 0.3, 2.4), (2.2, 0.15, -0.7), (3.0, 0.22, 1.0)],
)
def test_parameters_come_back(orientation: float, frequency: float, phase: float) -> None:
    """To 2 % of each, of a turn where it is an angle."""
    wanted = known(orientation, frequency, phase)
    noise = 1e-3 * np.random.default_rng(0).normal(size=SIZE)
    fit = fit_gabor(gabor(wanted, SIZE) + noise)
    assert fit.r2 > 0.999
    turned = (fit.orientation - orientation + math.pi / 2) % math.pi - math.pi / 2
    flipped = abs(fit.orientation - orientation) > math.pi / 2  # 0 and pi are the same wave, seen from both sides
    expected = -phase if flipped else phase
    assert abs(turned) < 0.02 * math.pi
    assert abs(math.remainder(fit.phase - expected, 2 * math.pi)) < 0.02 * 2 * math.pi
    for name in ("amplitude", "frequency", "width", "length"):
        assert getattr(fit, name) == pytest.approx(getattr(wanted, name), rel=0.02), name
    assert fit.x == pytest.approx(wanted.x, abs=0.02 * SIZE[0])
    assert fit.y == pytest.approx(wanted.y, abs=0.02 * SIZE[0])


@pytest.mark.parametrize("side", [5, 7, 11])
def test_parameters_come_back_for_kernels_of_all_sizes(side: int) -> None:
    rng = np.random.default_rng(side)
    for _ in range(8):
        wanted = replace(
            known(rng.uniform(0, math.pi), rng.uniform(0.08, 0.4), rng.uniform(-math.pi, math.pi)),
            x=rng.uniform(-1, 1),
            y=rng.uniform(-1, 1),
            width=rng.uniform(0.8, side / 4),
            length=rng.uniform(0.8, side / 3),
        )
        fit = fit_gabor(gabor(wanted, (side, side)))
        for name in ("amplitude", "frequency", "width", "length"):
            assert getattr(fit, name) == pytest.approx(getattr(wanted, name), rel=0.02), (name, wanted)
        turned = (fit.orientation - wanted.orientation + math.pi / 2) % math.pi - math.pi / 2
        assert abs(turned) < 0.02 * math.pi


def test_a_fit_says_what_it_draws() -> None:
    kernel = np.random.default_rng(1).normal(size=(7, 6))
    fit = fit_gabor(kernel)
    error = ((kernel - gabor(fit, (7, 6))) ** 2).sum()
    assert fit.r2 == pytest.approx(1 - error / ((kernel - kernel.mean()) ** 2).sum(), abs=1e-9)
    assert 0 <= fit.orientation < math.pi


def test_a_pattern_in_one_colour_is_its_own_principal_colour() -> None:
    pattern = np.random.default_rng(0).normal(size=(5, 5))
    colour, energy = principal_colour(np.stack([2 * pattern, pattern, -0.5 * pattern]))
    assert energy == pytest.approx(1)
    np.testing.assert_allclose(colour / np.linalg.norm(colour), pattern / np.linalg.norm(pattern), atol=1e-9)


def test_controls_tell_gabor_functions_from_noise() -> None:
    rng = np.random.default_rng(0)
    trained = np.stack(
        [
            gabor(known(angle, 0.2, 1.0), (7, 7))[None] + 0.02 * rng.normal(size=(1, 7, 7))
            for angle in np.linspace(0, 3, 5)
        ]
    )
    result = fits(trained, [rng.normal(size=(5, 1, 7, 7))])
    assert result.median(TRAINED) > 0.9
    assert max(result.median(UNTRAINED), result.median(SHUFFLED)) < 0.6
    assert max(result.p.values()) < 0.05


def test_shuffled_pixels_move_together() -> None:
    kernel = np.arange(27).reshape(3, 3, 3).astype(float)
    moved = shuffled(kernel, 0)
    assert sorted(moved.ravel()) == list(range(27))
    np.testing.assert_array_equal(moved[1] - moved[0], np.full((3, 3), 9))
    assert not np.array_equal(moved, kernel)
