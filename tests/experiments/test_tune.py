"""Tuning on the embedded digits: it improves, it goes on where it was killed, it says what it cannot do."""

from __future__ import annotations

import html
import json
import shlex
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from processes import begin, complete, kill, one_thread, wait_for
from thorough import repeats

import convworks
from convworks.cli.main import run
from convworks.errors import InputError, RunError

pytest.importorskip("optuna")
__all__ = ["one_thread"]
RATE = "training.schedule.rate"
SMALL_BATCHES = "training.batch_size=16"
BAD = [SMALL_BATCHES, f"{RATE}=0.0003"]
TRIALS = repeats(6, 9)


def plain(results: dict[str, Any]) -> list[tuple[str, str, float | None, dict[str, Any]]]:
    return [(trial["name"], trial["state"], trial["value"], trial["values"]) for trial in results["trials"]]


@pytest.fixture(scope="module")
def results(options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("tune") / "search"
    return convworks.tune(trials=TRIALS, search=[f"{RATE}=log:1e-4..1"], out=out, overrides=BAD, **options)


def test_it_beats_a_bad_start(results: dict[str, Any]) -> None:
    first = results["trials"][0]
    assert results["recipe"] == {"name": "trial-0", "value": first["value"]}
    assert first["values"] == {RATE: 0.0003}
    assert results["best"]["value"] > first["value"] + 0.3
    assert results["best"]["value"] == max(t["value"] for t in results["trials"] if t["state"] == "complete")


def test_the_command_repeats_the_best_run(
    results: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    trial = json.loads((Path(results["best"]["run"]) / "run.json").read_text())
    name, *words = shlex.split(trial["command"])
    assert name == "convworks"
    assert run([*words, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    best = json.loads((Path(results["best"]["run"]) / "run.json").read_text())
    assert again["validation"] == best["results"]["validation"]


def test_test_is_measured_once_and_the_best_is_trained_in_full(results: dict[str, Any], few: Path) -> None:
    for trial in results["trials"]:
        record = json.loads((Path(trial["run"]) / "run.json").read_text())
        assert record["status"] != "finished" or record["results"]["test"] is None
    assert results["test"] == convworks.load(results["best"]["bundle"]).evaluate(few, split="test")
    command = results["best"]["command"]
    assert "training.epochs" not in command
    assert "data.test" not in command
    assert results["best"]["longer"]


def test_the_page_is_self_contained(results: dict[str, Any]) -> None:
    page = Path(results["report"]).read_text()
    assert "http" not in page
    assert "src=" not in page
    assert RATE in page
    assert html.escape(results["best"]["command"]) in page


@pytest.mark.slow
@pytest.mark.parametrize("moment", [1, 4])
def test_a_killed_search_goes_on_as_if_nothing_had_happened(
    moment: int, few: Path, results: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    words = ["--trials", TRIALS, "--search", f"{RATE}=log:1e-4..1", "--epochs", 2]
    words += [word for change in BAD for word in ("--set", change)]
    process = begin(
        "tune", "digits/default", "--data", few, *words, "--device", "cpu", "--deterministic", "--out", folder
    )
    wait_for(process, lambda: bool(list(folder.glob(f"trial-{moment}/checkpoints/*.json"))))
    kill(process)
    resumed = complete("tune", "--resume", folder)
    assert plain(resumed) == plain(results)
    with sqlite3.connect(folder / "study.db") as database:
        assert database.execute("select count(*) from trials").fetchone() == (TRIALS,)
    database.close()


def test_trials_are_pruned_and_can_be_gone_on_with(options: dict[str, Any], tmp_path: Path) -> None:
    search = [f"{RATE}=0.1,1e-05,1.1e-05,1.2e-05,0.11,0.12,0.09,0.08,1.3e-05"]
    longer = {**options, "epochs": 4, "overrides": [SMALL_BATCHES]}
    out = tmp_path / "search"
    results = convworks.tune(trials=10, search=search, seed=1, out=out, **longer)
    pruned = [trial for trial in results["trials"] if trial["state"] == "pruned"]
    assert pruned
    assert all(trial["epochs"] == 2 for trial in pruned)  # the first third of the epochs is never judged
    record = json.loads((Path(pruned[0]["run"]) / "run.json").read_text())
    assert record["status"] == "stopped"
    assert "pruned after epoch 2" in record["reason"]
    assert convworks.train(resume=pruned[0]["run"])["epochs"] == 4
    more = convworks.tune(resume=out, trials=11)
    assert plain(more)[:10] == plain(results)


def test_a_trial_that_fails_does_not_end_the_search(options: dict[str, Any], tmp_path: Path) -> None:
    results = convworks.tune(trials=6, search=[f"{RATE}=0.1,1e30"], pruning=False, out=tmp_path / "search", **options)
    states = {trial["values"][RATE]: trial["state"] for trial in results["trials"]}
    assert states == {"0.1": "complete", "1e30": "fail"}


def test_a_search_of_failures_says_so(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no trial finished"):
        convworks.tune(trials=2, search=[f"{RATE}=1e29,1e30"], out=tmp_path / "search", **options)


def test_the_metric_of_the_recipe_is_searched_by(options: dict[str, Any], tmp_path: Path) -> None:
    overrides = ["training.best=loss"]
    search = ["training.optimizer.kind=sgd,adam", f"{RATE}=log:1e-3..1e-1"]
    results = convworks.tune(trials=3, search=search, out=tmp_path / "search", overrides=overrides, **options)
    assert results["metric"] == "loss"
    assert results["best"]["value"] == min(t["value"] for t in results["trials"] if t["state"] == "complete")


@pytest.mark.slow
def test_processes_share_a_study(options: dict[str, Any], tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    shared: dict[str, Any] = {"storage": storage, "study": "ours", "search": [f"{RATE}=log:1e-3..1"], **options}
    convworks.tune(trials=2, out=tmp_path / "a", **shared)
    results = convworks.tune(trials=4, out=tmp_path / "b", workers=2, **shared)
    assert [trial["name"] for trial in results["trials"]] == [f"trial-{n}" for n in range(4)]
    assert [Path(trial["run"]).parent.name for trial in results["trials"]] == ["a", "a", "b", "b"]
    with pytest.raises(InputError, match="another search space"):
        convworks.tune(trials=4, out=tmp_path / "c", **{**shared, "search": [f"{RATE}=log:1e-3..2"]})
    with pytest.raises(InputError, match="is not that of the search"):
        convworks.tune(resume=tmp_path / "b", trials=9, storage="sqlite:///other.db")
    assert not (tmp_path / "c").exists()


def test_a_password_is_written_nowhere() -> None:
    from convworks.experiments.trials import hidden

    assert hidden("postgresql://me:secret@host:5432/name") == "postgresql://me:***@host:5432/name"
    assert hidden("postgresql://me@host/name") == "postgresql://me@host/name"
    assert hidden("sqlite:///study.db") == "sqlite:///study.db"
    with pytest.raises(InputError) as error:
        convworks.tune(storage="nonsense://me:secret@host/name")
    assert "secret" not in str(error.value)
