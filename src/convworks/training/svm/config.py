"""The training configuration of a support vector machine: one epoch of one step over all images."""

from __future__ import annotations

from convworks.training.config import TrainingConfig
from convworks.training.schedules.config import Constant

#: Fields that may be set for such a run: the metric, and which checkpoints are kept. Others concern gradient steps.
OPEN = ("batch_size", "best", "keep_last", "keep_best", "checkpoint_seconds")


def machine_training(images: int, cut: str) -> TrainingConfig:
    """Return the training configuration of a head fitted in one step to frozen features at `cut`."""
    return TrainingConfig(epochs=1, batch_size=max(1, images), schedule=Constant(rate=1.0), freeze=cut)
