"""Statistics of layers: against the tensors of a run, in the folder, over a resume, and on the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import convworks
from convworks.layers.network import Network
from convworks.models.catalogue import create
from convworks.training.checkpoints.recorder import RunInterruptedError
from convworks.training.events import Events
from convworks.training.progress import Progress
from convworks.training.setup import Setup
from convworks.training.statistics.measure import activation, innermost_taps, root_mean_squares


def test_the_numbers_of_an_output() -> None:
    output = torch.randn(5, 4, 3, 2).relu()
    output[:, 2] = 0
    mean, deviation, zeros, silent, channels = activation(output).tolist()
    assert mean == pytest.approx(float(output.mean()))
    assert deviation == pytest.approx(float(output.std(correction=0)))
    assert zeros == pytest.approx(float((output == 0).float().mean()))
    assert (silent, channels) == (1, 4)


def test_a_channel_that_fires_for_the_last_sample_alone_is_not_silent() -> None:
    """Of large outputs, means are those of the first samples."""
    output = torch.zeros(3, 2, 128, 128).contiguous(memory_format=torch.channels_last)
    output[2, 0, 100, 7] = -1.0
    mean, _, zeros, silent, channels = activation(output).tolist()
    assert (mean, zeros) == (0, 1)
    assert (silent, channels) == (1, 2)


def test_roots_of_mean_squares() -> None:
    tensors = {"a": torch.randn(3, 4), "b": torch.randn(7)}
    expected = [float(value.square().mean().sqrt()) for value in tensors.values()]
    assert root_mean_squares(tensors).tolist() == pytest.approx(expected)


def test_each_value_is_looked_at_once() -> None:
    network = create("resnet20")
    taps = innermost_taps(network)
    assert "stage1.block1" in taps
    assert "stage1" not in taps
    assert "head" not in taps
    assert isinstance(network, Network)
    assert list(innermost_taps(nn.Sequential(nn.ReLU()))) == ["0"]


class Weights(Events):
    """Keeps the weights of one layer before and after every step, and its gradient."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []

    def step_began(self, setup: Setup, progress: Progress) -> None:
        (name, value), *_ = setup.parameters.items()
        self.steps.append({"name": name, "before": value.detach().clone()})  # type: ignore[dict-item]

    def gradients_computed(self, setup: Setup, progress: Progress) -> None:
        (value, *_) = setup.parameters.values()
        assert value.grad is not None
        self.steps[-1]["gradient"] = value.grad.clone()

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        (value, *_) = setup.parameters.values()
        self.steps[-1]["after"] = value.detach().clone()


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let short runs have several points."""
    monkeypatch.setattr("convworks.training.statistics.event.LEAST", 8)


def train(out: Path, **options: Any) -> Any:
    changes = ["precision=float32", "training.batch_size=24", *options.pop("changes", ())]
    return convworks.train("digits/default", out=out, device="cpu", overrides=changes, **options)


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "statistics.jsonl").read_text().splitlines()]


def test_the_rows_of_a_run(tmp_path: Path) -> None:
    seen = Weights()
    train(tmp_path / "run", epochs=2, events=[seen], changes=["training.clip.limit=1e-3"])
    table = rows(tmp_path / "run")
    layer = str(seen.steps[0]["name"]).removesuffix(".weight").removeprefix("stages.")
    weights = [row for row in table if row["layer"] == layer and "gradient" in row]
    assert [row["step"] for row in weights] == list(range(0, len(seen.steps), 8))
    for row in weights:
        step = seen.steps[row["step"]]
        for key, value in (
            ("gradient", step["gradient"]),  # before it is clipped
            ("weight", step["before"]),
            ("update", step["after"] - step["before"]),
        ):
            assert row[key] == pytest.approx(float(value.square().mean().sqrt()), rel=2e-3)
    taps = {row["layer"] for row in table if "zeros" in row}
    assert "stem" in taps
    page = (tmp_path / "run" / "report.html").read_text()
    assert '<section id="layers">' in page
    assert "Update / weight" in page


def test_statistics_change_nothing_and_can_be_left_out(tmp_path: Path) -> None:
    train(tmp_path / "with", epochs=1)
    train(tmp_path / "without", epochs=1, changes=["training.statistics=false"])
    weights = [(tmp_path / name / "bundle" / "weights.safetensors").read_bytes() for name in ("with", "without")]
    assert weights[0] == weights[1]
    assert not (tmp_path / "without" / "statistics.jsonl").exists()
    assert '<section id="layers">' not in (tmp_path / "without" / "report.html").read_text()


class Stop(Events):
    """Interrupts a run as Ctrl-C does, in the middle of an epoch."""

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        if progress.step == 9:
            raise KeyboardInterrupt


def test_a_resumed_run_has_the_rows_of_one_that_was_not_stopped(tmp_path: Path) -> None:
    train(tmp_path / "whole", epochs=2)
    with pytest.raises(RunInterruptedError):
        train(tmp_path / "stopped", epochs=2, events=[Stop()], changes=["training.checkpoint_seconds=1e-9"])
    convworks.train(resume=tmp_path / "stopped")
    assert rows(tmp_path / "stopped") == rows(tmp_path / "whole")
