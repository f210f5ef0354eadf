"""`convworks runs` and `convworks lr-range` on runs of the digits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import convworks
from convworks.cli.main import run
from convworks.signed import write_signed


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs, two of them those of an experiment, and a folder that is something else's."""
    root = tmp_path_factory.mktemp("place") / "runs"
    for name, epochs, rate in (("one", 1, 0.001), ("tune/two", 3, 0.1), ("tune/three", 2, 0.1)):
        convworks.train(
            out=root / name, epochs=epochs, device="cpu", overrides=[f"training.schedule.rate={rate}"], command="x"
        )
    (root / "tune" / "experiment.json").write_text("{}")
    (root / "foreign").mkdir()
    (root / "foreign" / "run.json").write_text('{"name": "of another program"}')
    return root


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    assert run([*arguments, "--json"]) == 0
    out, told = capsys.readouterr()
    return json.loads(out), told


def test_runs_lists_all_below_runs_and_names_what_is_none(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, told = answer(capsys, "runs", "--sort", "epochs")
    assert [row["name"] for row in found["runs"]] == ["runs/one", "runs/tune/three", "runs/tune/two"]
    (skipped,) = told.splitlines()
    assert skipped.startswith("skipped: runs/foreign/run.json: cannot be read as a run (it has no format)")
    assert [row["name"] for row in found["skipped"]] == ["runs/foreign"]
    for row in found["runs"]:
        record = json.loads(Path(row["name"], "run.json").read_text())
        history = [json.loads(line) for line in Path(row["name"], "metrics.jsonl").read_text().splitlines()]
        assert row["test"] == record["results"]["test"]["top1"]
        assert row["validation"] == max(epoch["validation_top1"] for epoch in history)
        assert (row["network"], row["source"], row["status"]) == ("convnet_digits", "digits", "finished")
        assert (row["epochs"], row["seconds"]) == (history[-1]["epoch"], history[-1]["seconds"])
    assert "differences" not in found


def test_every_column_sorts(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for column in ("name", "network", "source", "status", "epochs", "seconds"):
        rows = answer(capsys, "runs", "--sort", column)[0]["runs"]
        assert [row[column] for row in rows] == sorted(row[column] for row in rows)
    for column in ("validation", "test", "when"):
        rows = answer(capsys, "runs", "--sort", column)[0]["runs"]
        assert [row[column] for row in rows] == sorted((row[column] for row in rows), reverse=True)


def test_several_runs_are_compared(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = answer(capsys, "runs", "runs/one", "runs/tune/two", "--sort", "name", "--out", "curves.png")
    rate, epochs = found["differences"]["training.schedule.rate"], found["differences"]["training.epochs"]
    assert (rate, epochs) == ([0.001, 0.1], [1, 3])
    assert found["differences"].keys() == {"training.schedule.rate", "training.epochs"}
    with Image.open(found["curves"]) as picture:
        assert picture.size[0] > 1000
    assert run(["runs", "runs/one", "runs/tune/two", "--sort", "name", "--out", "curves.svg"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["differing", "field", "one", "tune/two"] in lines
    assert ["training.schedule.rate", "0.001", "0.1"] in lines
    assert ["curves:", "curves.svg"] in lines
    assert "tune/two" in Path("curves.svg").read_text()


def test_many_runs_are_compared_a_row_each(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(3):
        shutil.copytree("runs/one", f"runs/copy-{index}")
    assert run(["runs", "runs", "--sort", "name", "--out", "curves.png"]) == 0
    text = capsys.readouterr().out
    assert "run         training.epochs  training.schedule.rate" in text
    assert "tune/three                2                     0.1" in text


def test_the_same_configuration_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("runs/one", "again")
    assert run(["runs", "runs/one", "again"]) == 0
    assert "the configurations are identical" in capsys.readouterr().out


def test_a_run_that_was_killed_says_how_to_go_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("runs/one/run.json")
    write_signed(path, {**json.loads(path.read_text()), "status": "running", "results": None})
    assert run(["runs", "runs/one"]) == 0
    text = capsys.readouterr().out
    assert "killed" in text
    assert text.splitlines()[-1] == "next: convworks train --resume runs/one"


def test_without_runs_the_answer_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert answer(capsys, "runs")[0] == {"runs": [], "skipped": []}
    (tmp_path / "runs").mkdir()
    assert answer(capsys, "runs")[0] == {"runs": [], "skipped": []}
    assert run(["runs"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "next: convworks train"


def test_lr_range_draws_and_ends_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found, _ = answer(capsys, "lr-range", "--steps", "40", "--out", "x.svg")
    assert len(found["rates"]) == len(found["losses"]) <= 40
    assert found["curve"] == "x.svg"
    assert run(["lr-range", "--steps", "40"]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == f"next:  convworks train --set training.schedule.rate={found['suggestion']:.2g}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lr-range.png", "x.svg"]


def test_lr_range_says_where_the_range_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["lr-range", "--to", "0.05", "--steps", "60"]) == 0
    assert "still falling at 0.05: raise it with --to" in capsys.readouterr().out
    assert run(["lr-range", "--from", "100", "--to", "1000", "--steps", "20"]) == 0
    text = capsys.readouterr().out
    assert "the loss never fell" in text
    assert run(["lr-range", "--from", "1e-300", "--to", "1e308", "--steps", "10"]) == 0
    capsys.readouterr()
    assert "--set training.schedule.rate" not in text


@pytest.mark.parametrize("command", ["lr-range", "restarts", "crossval", "tune"])
def test_what_is_one_process_refuses_torchrun(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run([command]) == 2
    line = "convworks: convworks {}: runs in one process, but torchrun started several; start it without torchrun\n"
    assert capsys.readouterr().err == line.format(command)
    assert not list(tmp_path.iterdir())
