"""Runs, experiments and indexes of versions that wrote no checksums are still read, and become whole ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import convworks
from convworks.data.shards.pack import pack
from convworks.data.sources.open import open_source
from convworks.errors import ConvworksError
from convworks.training.events import Events
from convworks.training.listing import read_run
from convworks.training.progress import Progress
from convworks.training.setup import Setup

OPTIONS: dict[str, Any] = {"device": "cpu", "deterministic": True}


class Stop(Events):
    """Stops a run after its first epoch."""

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        raise KeyboardInterrupt


def rewrite(file: Path, **changes: Any) -> None:
    """Write a file as format 1 has it: without the checksum of itself, and of metrics."""
    values = json.loads(file.read_text())
    plain = {name: value for name, value in values.items() if name not in ("sha256", "metrics_sha256")}
    file.write_text(json.dumps({**plain, "format": 1, **changes}, indent=2))


def as_before(folder: Path) -> None:
    """Make all files below a folder what an earlier version would have written."""
    for file in [*folder.rglob("run.json"), *folder.rglob("experiment.json")]:
        rewrite(file)
    for file in folder.rglob("step-*.json"):
        values = json.loads(file.read_text())
        file.write_text(
            json.dumps(
                {"format": 1, "step": values["step"], "sha256": values["tensors_sha256"], "state": values["state"]}
            )
        )


def weights(run: Path) -> bytes:
    return (run / "bundle" / "weights.safetensors").read_bytes()


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(ConvworksError, match="saved"):
        convworks.train(out=tmp_path / "new", epochs=2, events=[Stop()], **OPTIONS)
    shutil.copytree(tmp_path / "new", tmp_path / "old")
    as_before(tmp_path / "old")
    for name in ("new", "old"):
        convworks.train(resume=tmp_path / name)
    assert weights(tmp_path / "new") == weights(tmp_path / "old")
    assert json.loads((tmp_path / "old" / "run.json").read_text())["format"] == 2
    history = read_run(tmp_path / "new").history
    as_before(tmp_path / "new")
    assert read_run(tmp_path / "new").history == history


def test_a_finished_experiment_can_have_more_runs(tmp_path: Path) -> None:
    first = convworks.restarts(runs=2, epochs=1, out=tmp_path / "runs", **OPTIONS)
    as_before(tmp_path / "runs")
    more = convworks.restarts(resume=tmp_path / "runs", runs=3)
    assert [run["validation"] for run in more["runs"][:2]] == [run["validation"] for run in first["runs"]]
    assert json.loads((tmp_path / "runs" / "experiment.json").read_text())["format"] == 2


def test_an_index_without_a_checksum(tmp_path: Path) -> None:
    pack(open_source("digits"), tmp_path / "packed")
    whole = open_source(tmp_path / "packed")
    index = tmp_path / "packed" / "index.json"
    values = json.loads(index.read_text())
    index.write_text(json.dumps({name: value for name, value in values.items() if name not in ("format", "sha256")}))
    for name, split in open_source(index).splits.items():
        assert split.names == whole.splits[name].names
        assert (split.labels == whole.splits[name].labels).all()


def test_a_checkpoint_that_called_the_score_a_share() -> None:
    state = Progress(score="mse", step=3).to_state()
    state["share"] = state.pop("score")
    assert Progress.from_state(state) == Progress(score="mse", step=3)
