"""Which epoch of a run is saved, and what was chosen on validation."""

from __future__ import annotations

from collections.abc import Sequence

from convworks.training.config import RunConfig
from convworks.training.fitting import fitting_of
from convworks.training.progress import Progress, Row


def candidates(config: RunConfig, progress: Progress) -> Sequence[Row]:
    """Return the epochs in the order in which they are to be saved: the best first, or the last."""
    return progress.ranked(config.training.best) if config.training.kept == "best" else progress.history[::-1]


def chosen_on_validation(config: RunConfig, progress: Progress) -> str:
    """Return what a run chose on its validation split, such as "the epoch"; empty if it chose nothing.

    A single epoch leaves nothing to choose. The last epoch is not chosen either, unless early stopping made it the
    last or the plateau schedule lowered the learning rate before it.
    """
    training = config.training
    if fitted := fitting_of(config).chosen:
        return fitted
    if training.kept == "best" and progress.epoch > 1:
        return "the epoch"
    if training.patience is not None and progress.epoch < training.epochs:
        return "the number of epochs"
    rates = {row["learning_rate"] for row in progress.history}
    return "the learning rate" if training.schedule.kind == "plateau" and len(rates) > 1 else ""
