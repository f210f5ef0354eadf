"""Recipes for CIFAR-10."""

from __future__ import annotations

from convworks.data.config import AugmentConfig, DataConfig
from convworks.models.config import ModelConfig
from convworks.training.config import SGD, RunConfig, StepSchedule, TrainingConfig


def resnet20() -> RunConfig:
    """ResNet-20 as He et al. 2015 trained it, section 4.2: `convworks train cifar10/resnet20`.

    64,000 steps of 128 images, learning rate 0.1 divided by 10 at 32,000 and 48,000, weight decay 1e-4, shift by up
    to 4 pixels and mirrored; the paper's split of 45,000 and 5,000 images. It differs from the paper in four points:
    the mean is taken out by channel, not by pixel; shifts bring in black, not the mean; biases and norms do not
    decay; the bundle holds the best epoch on validation, not the last.
    """
    return RunConfig(
        recipe="cifar10/resnet20",
        data=DataConfig(source="cifar10", validation_limit=5000),
        augment=AugmentConfig(shift=4, flip=True),
        model=ModelConfig(name="resnet20"),
        training=TrainingConfig(
            epochs=182,
            batch_size=128,
            optimizer=SGD(momentum=0.9, nesterov=False, weight_decay=1e-4),
            schedule=StepSchedule(initial=0.1, milestones=(0.5, 0.75)),
        ),
    )
