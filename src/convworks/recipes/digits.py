"""Recipes for the embedded digits: scikit-learn's 1,797 scanned digits of 8x8 pixels."""

from __future__ import annotations

from convworks.data.config import AugmentConfig, DataConfig
from convworks.losses.config import CrossEntropy
from convworks.models.config import ModelConfig
from convworks.training.config import RunConfig, TrainingConfig
from convworks.training.schedules.config import OneCycle


def default() -> RunConfig:
    """Train a small convolutional network on the digits: `convworks train`.

    Two cores of an AMD EPYC: about 8 s; test accuracy over seeds 0 to 4: 99.44, 99.44, 99.44, 98.87, 99.44 %.
    """
    return RunConfig(
        recipe="digits/default",
        data=DataConfig(source="digits"),
        augment=AugmentConfig(shift=1),
        model=ModelConfig(name="convnet_digits"),
        training=TrainingConfig(
            epochs=30, batch_size=64, schedule=OneCycle(rate=0.1), loss=CrossEntropy(smoothing=0.1)
        ),
    )
