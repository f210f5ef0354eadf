"""How a support vector machine is fitted, in the terms of a run: one epoch of one step, in which it sees all images."""

from __future__ import annotations

from convworks.training.config import TrainingConfig
from convworks.training.schedules.config import Constant

#: What may be chosen for such a run: which metric is shown, and what is kept. All else is for training by steps.
OPEN = ("batch_size", "best", "keep_last", "keep_best", "checkpoint_seconds")


def machine_training(images: int, cut: str) -> TrainingConfig:
    """Return the training of a head that is fitted at once to features at `cut`, which stay as they are."""
    return TrainingConfig(epochs=1, batch_size=max(1, images), schedule=Constant(rate=1.0), freeze=cut)
