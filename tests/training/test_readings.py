"""Sums of steps are read in order: at once from a processor; from a GPU all but the last, which is still computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from convworks.errors import RunError
from convworks.training.progress import Progress
from convworks.training.readings import Reading, Readings

CPU = torch.device("cpu")


def reading(loss: float) -> Reading:
    return Reading(torch.tensor([loss, 2.0], dtype=torch.float64), 4, 0.1)


def refuse(what: str, loss: float, rate: float) -> None:
    if loss != loss:
        raise RunError("training", f"{what} is {loss}", "lower the learning rate")


def test_a_processor_is_read_at_once() -> None:
    progress = Progress()
    for number, loss in enumerate((1.0, 3.0), 1):
        progress.end_step(reading(loss), 0.5)
        assert progress.totals.seen == 4 * number
    assert (progress.totals.mean_loss, progress.totals.mean_score, progress.step) == (2.0, 0.5, 2)


def late(**more: Any) -> Readings:
    """Return readings such as a GPU has, of sums that are there already."""
    readings = Readings(CPU, refuse)
    readings.late = True
    return readings


def test_of_a_device_that_works_on_all_but_the_last_are_read_and_nothing_is_lost() -> None:
    progress = Progress()
    progress.readings = late()
    for loss in (1.0, 2.0, 6.0):
        progress.end_step(reading(loss), 0.5)
    assert (progress.step, progress.totals.seen) == (3, 8)
    state = progress.to_state()  # what a checkpoint holds is of all steps
    assert (state["totals"]["seen"], state["totals"]["loss"]) == (12, 36.0)
    progress.mark(0.1, 1.0)
    assert progress.curve[-1]["train_loss"] == 3.0


def test_a_loss_that_is_no_number_reaches_no_checkpoint() -> None:
    progress = Progress()
    progress.readings = late()
    progress.end_step(reading(1.0), 0.5)
    progress.end_step(reading(float("nan")), 0.5)
    with pytest.raises(RunError, match="the loss at step 1 is nan"):
        progress.to_state()
