"""The accuracies that the README promises, as means over five seeds; by default of the first seed alone."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from few_digits import ALL
from thorough import repeats

import convworks

DIGITS = ALL
SEEDS = range(repeats(1, 5))


def errors(out: Path, recipe: str, **options: Any) -> list[float]:
    """Train with each seed; return the test error of each, in percent."""
    runs = [convworks.train(recipe, seed=seed, out=out / str(seed), **options) for seed in SEEDS]
    percentages = [100 * (1 - run["test"]["top1"]) for run in runs]
    print(recipe, [round(error, 2) for error in percentages], "mean", round(mean(percentages), 3))  # noqa: T201
    return percentages


def test_digits(tmp_path: Path) -> None:
    assert mean(errors(tmp_path, "digits/default")) <= 2.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "most"),
    [("mnist/fast", 1.0), ("mnist/accurate", 0.4), ("mnist/lenet5", 0.95), ("mnist/lenet5-distortions", 0.8)],
)
@pytest.mark.timeout(4 * 3600)
def test_mnist(data: Path, tmp_path: Path, recipe: str, most: float) -> None:
    assert mean(errors(tmp_path, recipe)) <= most
