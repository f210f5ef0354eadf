"""Recipes for MNIST."""

from __future__ import annotations

from convworks.data.config import AffineConfig, AugmentConfig, DataConfig
from convworks.models.config import ModelConfig
from convworks.training.config import SGD, CrossEntropy, OneCycle, PenaltyLoss, RunConfig, TrainingConfig


def fast() -> RunConfig:
    """Reach 99 % in seconds: `convworks train mnist/fast`."""
    return RunConfig(
        recipe="mnist/fast",
        data=DataConfig(source="mnist", validation_limit=5000),
        model=ModelConfig(name="convnet_fast"),
        training=TrainingConfig(
            epochs=2, batch_size=256, schedule=OneCycle(peak=0.15), loss=CrossEntropy(smoothing=0.05)
        ),
    )


def accurate() -> RunConfig:
    """Reach 99.6 % in minutes: `convworks train mnist/accurate`."""
    return RunConfig(
        recipe="mnist/accurate",
        data=DataConfig(source="mnist", validation_limit=5000),
        augment=AugmentConfig(shift=2),
        model=ModelConfig(name="convnet_accurate"),
        training=TrainingConfig(
            epochs=8, batch_size=256, schedule=OneCycle(peak=0.15), loss=CrossEntropy(smoothing=0.05)
        ),
    )


def lenet5() -> RunConfig:
    """LeNet-5 of 1998 without distortions: `convworks train mnist/lenet5`."""
    return RunConfig(
        recipe="mnist/lenet5",
        precision="float32",
        data=DataConfig(source="mnist", size=(32, 32), fit="pad", validation_limit=5000),
        model=ModelConfig(name="lenet5"),
        training=TrainingConfig(
            epochs=20,
            batch_size=64,
            optimizer=SGD(weight_decay=1e-4),
            schedule=OneCycle(peak=0.02),
            loss=PenaltyLoss(),
        ),
    )


def lenet5_distortions() -> RunConfig:
    """LeNet-5 of 1998 with distortions: `convworks train mnist/lenet5-distortions`."""
    base = lenet5()
    affine = AffineConfig(translate=0.06, scale=0.1, squeeze=0.1, shear=0.2)
    return base.model_copy(update={"recipe": "mnist/lenet5-distortions", "augment": AugmentConfig(affine=affine)})
