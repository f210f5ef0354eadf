"""Sums of steps are read in order: at once from a processor; from a GPU all but the last, which is still computed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from few_digits import train_on_few
from torch import Tensor

import convworks
from convworks.errors import RunError
from convworks.training import world
from convworks.training.folder import history
from convworks.training.progress import Progress
from convworks.training.readings import Reading, Readings

__all__ = ["train_on_few"]
#: A checkpoint after every step.
OPTIONS: dict[str, Any] = {"device": "cpu", "overrides": ["precision=float32", "training.checkpoint_seconds=1e-9"]}
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


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("loop", "readings"):
        monkeypatch.setattr(f"convworks.training.{module}.computes_ahead", lambda device: True)
    monkeypatch.setattr("convworks.training.setup.POINTS", 1)  # each point of the curve reads all losses


def test_a_run_that_reads_late_is_the_same_run(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    runs = []
    for name in ("at once", "late"):
        if name == "late":
            request.getfixturevalue("as_on_a_gpu")
        convworks.train(epochs=2, out=tmp_path / name, **OPTIONS)
        weights = (tmp_path / name / "bundle" / "weights.safetensors").read_bytes()
        rows = history(tmp_path / name)
        runs.append((weights, [(row["train_loss"], row["train_top1"], row["validation_loss"]) for row in rows]))
    assert runs[0] == runs[1]


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_run_that_reads_late_names_the_loss_and_keeps_the_last_sound_checkpoint(tmp_path: Path) -> None:
    calls = 0

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        nonlocal calls
        calls += logits.requires_grad  # not those of validation
        return torch.nn.functional.cross_entropy(logits, labels) * (float("nan") if calls == 3 else 1.0)

    with pytest.raises(RunError, match=r"the loss at step 2 is nan .*lower the learning rate"):
        convworks.train(epochs=2, out=tmp_path / "run", loss=loss, **OPTIONS)
    assert [path.stem for path in (tmp_path / "run" / "checkpoints").glob("*.json")] == ["step-00000002"]


def test_seeds_and_events_are_those_of_the_gpu_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    current = [torch.device("cuda:0")]

    @contextlib.contextmanager
    def device(chosen: torch.device) -> Iterator[None]:
        current.append(chosen)
        yield
        current.pop()

    monkeypatch.setattr(world, "choose_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device", device)
    with world.joined("cuda:1") as joined:
        assert (str(joined.device), str(current[-1])) == ("cuda:1", "cuda:1")
    assert str(current[-1]) == "cuda:0"
