"""Restarts on the embedded digits: what they tell, and that nothing is lost however they end."""

from __future__ import annotations

import json
import signal
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import begin, kill, one_thread, wait_for, weights

import convworks
from convworks.data.config import DataConfig
from convworks.data.sources.open import open_source
from convworks.data.split.folds import divide
from convworks.errors import InputError, RunError
from convworks.training.folder import run_folder_locked

__all__ = ["one_thread"]
INTERRUPTS = [
    (signal.SIGINT, 1),
    pytest.param(signal.SIGINT, 2, marks=pytest.mark.slow),
    pytest.param(signal.SIGTERM, 1, marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def results(options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return convworks.restarts(runs=3, seed=4, out=tmp_path_factory.mktemp("restarts") / "three", **options)


def test_mean_and_spread_are_those_of_the_runs(results: dict[str, Any]) -> None:
    assert [run["seed"] for run in results["runs"]] == [4, 5, 6]
    for split in ("validation", "test"):
        values = [run[split]["top1"] for run in results["runs"]]
        assert results[split]["mean"] == pytest.approx(np.mean(values))
        assert results[split]["sd"] == pytest.approx(np.std(values, ddof=1))
        assert (results[split]["lowest"], results[split]["highest"]) == (min(values), max(values))
    seconds = [run["seconds"] for run in results["runs"]]
    assert results["training_seconds"]["mean"] == pytest.approx(statistics.fmean(seconds))


def test_the_best_is_the_best_on_validation(results: dict[str, Any]) -> None:
    scores = {run["name"]: run["validation"]["top1"] for run in results["runs"]}
    assert scores[results["best"]] == max(scores.values())


def test_a_run_is_what_train_makes(results: dict[str, Any], options: dict[str, Any], tmp_path: Path) -> None:
    first = convworks.train(seed=4, out=tmp_path / "first", **options)
    assert weights(first["run"]) == weights(results["runs"][0]["run"])
    second = ["data.validation_seed=4"]  # the images that seed 4 splits off
    other = convworks.train(seed=5, out=tmp_path / "second", overrides=second, **options)
    assert weights(other["run"]) == weights(results["runs"][1]["run"])
    assert weights(results["runs"][0]["run"]) != weights(results["runs"][1]["run"])


def test_the_ensemble_is_the_mean_of_the_probabilities(results: dict[str, Any], few: Path) -> None:
    source = divide(open_source(few), DataConfig(source=str(few)), 4)
    for split in ("validation", "test"):
        chosen = source.splits[split]
        outcomes = [convworks.load(run["bundle"]).outcome(source, split=split) for run in results["runs"]]
        mean = np.mean([predictions.probabilities.astype(np.float64) for predictions in outcomes], 0)
        correct = int((mean.argmax(1) == chosen.labels).sum())
        assert results["ensemble"][split]["top1"] == pytest.approx(correct / len(chosen))
        assert results["ensemble"][split]["n"] == len(chosen)


def test_the_folder_holds_ordinary_runs_a_page_and_the_predictions(results: dict[str, Any]) -> None:
    folder = Path(results["experiment"])
    names = {"experiment.json", "report.html", "validation.csv", "test.csv", "logs", "seed-4", "seed-5", "seed-6"}
    assert {path.name for path in folder.iterdir()} == names
    assert not list(folder.rglob("*.partial"))
    page = (folder / "report.html").read_text()
    assert ">Validation</h2>" in page
    assert "src=" not in page
    assert "http" not in page
    assert f"{100 * results['test']['mean']:.2f}" in page
    for run in results["runs"]:
        assert json.loads((Path(run["run"]) / "run.json").read_text())["status"] == "finished"
        assert "epoch 2/2" in (folder / "logs" / f"{run['name']}.txt").read_text()


def test_processes_find_the_same(results: dict[str, Any], options: dict[str, Any], tmp_path: Path) -> None:
    other = convworks.restarts(runs=3, seed=4, out=tmp_path / "three", workers=2, **options)
    for run, other_run in zip(results["runs"], other["runs"], strict=True):
        assert weights(run["run"]) == weights(other_run["run"])
    assert other["ensemble"]["test"] == results["ensemble"]["test"]
    assert not list((tmp_path / "three" / "logs").glob("worker-*"))


def test_a_finished_experiment_can_have_more_runs(options: dict[str, Any], tmp_path: Path) -> None:
    first = convworks.restarts(runs=2, out=tmp_path / "runs", **options)
    before = weights(first["runs"][0]["run"])
    with pytest.raises(InputError, match="the experiment is finished; give more: runs=N"):
        convworks.restarts(resume=tmp_path / "runs")
    with pytest.raises(InputError, match="1 are fewer than the 2 already planned"):
        convworks.restarts(resume=tmp_path / "runs", runs=1)
    more = convworks.restarts(resume=tmp_path / "runs", runs=3)
    assert [run["seed"] for run in more["runs"]] == [0, 1, 2]
    assert weights(more["runs"][0]["run"]) == before
    assert more["runs"][0]["seconds"] == first["runs"][0]["seconds"]


@pytest.fixture(scope="module")
def whole(options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return convworks.restarts(runs=2, out=tmp_path_factory.mktemp("whole") / "runs", **{**options, "epochs": 5})


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_killed_experiment_goes_on(workers: int, whole: dict[str, Any], few: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    words = ["--runs", 2, "--epochs", 5, "--device", "cpu", "--deterministic", "--workers", workers]
    process = begin("restarts", "digits/default", "--data", few, *words, "--out", folder)
    wait_for(process, lambda: bool(list(folder.glob("seed-1/checkpoints/*.json"))))
    kill(process)
    assert json.loads((folder / "experiment.json").read_text())["status"] == "running"
    resumed = convworks.restarts(resume=folder, workers=workers)
    for run, resumed_run in zip(whole["runs"], resumed["runs"], strict=True):
        assert weights(run["run"]) == weights(resumed_run["run"])
    assert not list(folder.rglob("*.partial"))


@pytest.mark.parametrize(("number", "workers"), INTERRUPTS)
def test_an_interrupted_experiment_says_how_to_go_on(
    number: signal.Signals, workers: int, few: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    words = ["--runs", 2, "--epochs", 1000, "--out", folder, "--workers", workers]
    process = begin("restarts", "digits/default", "--data", few, *words, background=workers > 1)
    wait_for(process, lambda: bool(list(folder.glob("seed-0/checkpoints/*.json"))))
    process.send_signal(number)
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    assert f"resume with: convworks restarts --resume {folder}" in errors.splitlines()[-1]
    assert json.loads((folder / "experiment.json").read_text())["status"] == "stopped"
    assert json.loads((folder / "seed-0" / "run.json").read_text())["status"] == "stopped"


def test_a_folder_belongs_to_one_process(results: dict[str, Any]) -> None:
    with (
        pytest.raises(InputError, match="another process is working on this run"),
        run_folder_locked(None, "", Path(results["experiment"])),
    ):
        convworks.restarts(resume=results["experiment"], runs=4)


def test_a_run_that_fails_ends_the_experiment_and_leaves_nothing_but_what_can_go_on(
    options: dict[str, Any], tmp_path: Path
) -> None:
    wild = ["training.schedule={'kind': 'constant', 'rate': 1e30}"]
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        with pytest.raises(RunError, match=r"seed-[01]: training"):
            convworks.restarts(runs=2, out=folder / "runs", overrides=wild, workers=workers, **options)
    assert not list(tmp_path.glob("1/*"))
    # The other of two runs may have come as far as a checkpoint, which it saves when it is told to end.
    checkpoints = list((tmp_path / "2").rglob("checkpoints/*.safetensors"))
    assert checkpoints or not list(tmp_path.glob("2/*"))


def test_runs_of_one_epoch_have_no_curves(options: dict[str, Any], tmp_path: Path) -> None:
    convworks.restarts(runs=2, out=tmp_path / "runs", **{**options, "epochs": 1})
    assert ">Validation</h2>" not in (tmp_path / "runs" / "report.html").read_text()
