from __future__ import annotations

import pytest

from convworks.data.batches import steps_per_epoch
from convworks.recipes import RECIPES, recipe
from convworks.training.config import TrainingConfig
from convworks.training.schedules.schedule import Clock, learning_rate

NAMES = [name for name in RECIPES if name.startswith(("cifar10/resnet", "cifar10/plain"))]
PER_EPOCH = steps_per_epoch(45_000, 128)


def rate(training: TrainingConfig, step: int) -> float:
    clock = Clock(step=step, steps=PER_EPOCH * training.epochs, steps_per_epoch=PER_EPOCH)
    return learning_rate(training.schedule, clock, training.warmup)


def test_each_depth_has_its_plain_twin() -> None:
    depths = (20, 32, 44, 56, 110)
    assert {f"cifar10/{kind}{depth}" for kind in ("resnet", "plain") for depth in depths} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_those_of_section_4_2(name: str) -> None:
    config = recipe(name)
    training = config.training
    assert config.model.name == name.partition("/")[2]
    assert training.batch_size == 128
    assert PER_EPOCH * training.epochs == pytest.approx(64_000, rel=0.002)
    assert training.optimizer.model_dump() == {
        "kind": "sgd", "momentum": 0.9, "nesterov": False, "weight_decay": 1e-4, "decays": "all",
    }  # fmt: skip
    for step, expected in ((1_000, 0.1), (31_900, 0.1), (32_500, 0.01), (47_900, 0.01), (48_500, 0.001)):
        assert rate(training, step) == pytest.approx(expected)
    assert (config.augment.shift, config.augment.flip, config.data.validation_limit) == (4, True, 5000)


@pytest.mark.parametrize("name", NAMES)
def test_only_110_layers_with_shortcuts_warm_up(name: str) -> None:
    training = recipe(name).training
    if name == "cifar10/resnet110":
        assert 0.01 < rate(training, 0) < 0.0103
        assert rate(training, 399) == pytest.approx(0.1)
    else:
        assert training.warmup is None
