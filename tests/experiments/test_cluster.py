"""Restarts and tuning on a Ray cluster of one machine, started as Ray's documentation says."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from processes import begin, complete, kill, one_thread, wait_for, weights
from ray_cluster import cluster

import convworks

pytest.importorskip("ray")
__all__ = ["cluster", "one_thread"]
pytestmark = pytest.mark.slow


OPTIONS: dict[str, Any] = {"epochs": 3, "device": "cpu", "deterministic": True}
WORDS = ["--epochs", 3, "--device", "cpu", "--deterministic"]


def test_a_cluster_finds_what_one_process_finds(cluster: None, tmp_path: Path) -> None:
    results = complete("restarts", "--runs", 3, *WORDS, "--workers", "ray", "--out", tmp_path / "ray")
    local = convworks.restarts(runs=3, out=tmp_path / "here", **OPTIONS)
    for ray_run, local_run in zip(results["runs"], local["runs"], strict=True):
        assert weights(ray_run["run"]) == weights(local_run["run"])
    assert results["ensemble"]["test"] == local["ensemble"]["test"]


def test_a_cluster_tunes(cluster: None, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    words = ["--trials", 5, *WORDS, "--search", "training.schedule.rate=log:1e-4..1"]
    results = complete(
        "tune", *words, "--set", "training.schedule.rate=0.0003", "--workers", "ray", "--out", tmp_path / "t"
    )
    assert [trial["name"] for trial in results["trials"]] == [f"trial-{number}" for number in range(5)]
    assert results["best"]["value"] > results["recipe"]["value"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_experiment_goes_on(number: signal.Signals, cluster: None, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    words = ["--runs", 2, *WORDS, "--epochs", 40, "--out", folder]
    process = begin("restarts", *words, "--workers", "ray")
    wait_for(process, lambda: bool(list(folder.glob("seed-*/checkpoints/*.json"))))
    if number == signal.SIGKILL:
        kill(process)
    else:
        process.send_signal(number)
        assert process.communicate(timeout=120)[1].splitlines()[-1].endswith(f"convworks restarts --resume {folder}")
        assert json.loads((folder / "experiment.json").read_text())["status"] == "stopped"
    assert complete("restarts", "--resume", folder, "--workers", "ray")["validation"]["mean"] > 0.9
