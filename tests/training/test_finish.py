"""A run that was stopped is finished early: as if it had ended by itself after its last complete epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from few_digits import write_few
from processes import begin, kill, wait_for

import convworks
from convworks.cli.main import run
from convworks.errors import InputError
from convworks.training import loop
from convworks.training.checkpoints.recorder import RunInterruptedError
from convworks.training.events import Events
from convworks.training.folder import saved
from convworks.training.progress import Progress
from convworks.training.setup import Setup

EPOCHS, COMPLETE = 6, 3
OFTEN = "training.checkpoint_seconds=0.0001"


class Stop(Events):
    """Presses Ctrl-C in the middle of an epoch."""

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        if progress.epoch == COMPLETE and progress.batch == 2:
            raise KeyboardInterrupt


def train(out: Path, *changes: str, **more: Any) -> dict[str, Any]:
    overrides = [OFTEN, "training.batch_size=100", *changes]
    return convworks.train(out=out, epochs=EPOCHS, device="cpu", deterministic=True, overrides=overrides, **more)


def rows(run_folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "images_per_second")} for line in lines]


@pytest.mark.parametrize("changes", [("training.kept=best",), ("training.kept=last", "training.ema=0.9")])
def test_it_ends_as_a_run_that_ended_by_itself_at_that_epoch(
    changes: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    with pytest.raises(RunInterruptedError) as caught:
        train(stopped, *changes, events=[Stop()])
    command = ["train", "--resume", str(stopped), "--finish"]
    call = f"convworks.train(resume={str(stopped)!r}, finish=True)"
    assert caught.value.remedy.endswith(f"or end it after epoch {COMPLETE}: {call}")
    with pytest.raises(InputError, match=r"is a run that has not finished, so it has no bundle yet; .* finish=True"):
        convworks.load(stopped)
    with pytest.raises(InputError, match="is a run that has not finished"):
        convworks.load(stopped / "bundle")
    assert run([*command, "--json"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(loop, "exhausted", lambda setup, progress: progress.epoch >= COMPLETE)
        results = train(whole, *changes)
    assert results["epochs"] == COMPLETE
    for name in ("bundle/weights.safetensors", "predictions.csv"):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()
    assert rows(stopped) == rows(whole)
    finished = json.loads((stopped / "run.json").read_text())
    assert (finished["status"], finished["finished_early"]) == ("finished", True)
    for key in ("epochs", "best_epoch", "validation", "test"):
        assert finished["results"][key] == results[key]

    assert [finding["command"] for finding in finished["results"]["verdict"]] == [f"convworks train --resume {stopped}"]
    page = (stopped / "report.html").read_text(encoding="utf-8")
    assert f"Stopped after {COMPLETE} of {EPOCHS} epochs" in page
    assert f"{COMPLETE} of {EPOCHS} ({changes[0].partition('=')[2]}: " in page
    assert f"the command trains all {EPOCHS}, which gives another network" in page

    with pytest.raises(InputError, match="the run is finished"):
        convworks.train(resume=stopped, finish=True)
    assert convworks.train(resume=stopped)["epochs"] == EPOCHS  # and it may still go on
    page = (stopped / "report.html").read_text(encoding="utf-8")
    assert "Stopped after" not in page
    assert "another network" not in page
    uninterrupted = train(tmp_path / "uninterrupted", *changes)
    assert (stopped / "bundle/weights.safetensors").read_bytes() == (
        Path(uninterrupted["bundle"]) / "weights.safetensors"
    ).read_bytes()


def test_the_report_of_a_run_with_more_epochs_says_that_its_command_has_fewer(tmp_path: Path) -> None:
    data = write_few(tmp_path / "digits")
    run_folder = tmp_path / "run"
    convworks.train("digits/default", data=data, epochs=1, device="cpu", out=run_folder)
    for epochs in ("+1", "+1"):
        convworks.train(resume=run_folder, epochs=epochs)
    page = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "This run was resumed with 3 epochs instead of 1" in page


def test_a_run_that_ends_earlier_than_planned_says_what_becomes_of_its_schedule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with pytest.raises(RunInterruptedError):
        train(out, events=[Stop()])
    convworks.train(resume=out, finish=True)
    assert "warning" not in capsys.readouterr().err
    assert convworks.train(resume=out, epochs="+1")["epochs"] == COMPLETE + 1
    warning = f"ends after {COMPLETE + 1} epochs instead of {EPOCHS}, so the rate falls at once; to keep it: "
    assert f"{warning}convworks.train(resume={str(out)!r})\n" in capsys.readouterr().err


def test_a_killed_run_is_finished(tmp_path: Path) -> None:
    out, data = tmp_path / "run", write_few(tmp_path / "digits")
    words = [
        "digits/default",
        "--data",
        data,
        "--epochs",
        500,
        "--device",
        "cpu",
        "--set",
        OFTEN,
        "--set",
        "training.kept=best",
    ]
    process = begin("train", "--out", out, *words)
    wait_for(process, lambda: (out / "metrics.jsonl").exists() and len(rows(out)) >= COMPLETE)
    kill(process)
    results = convworks.train(resume=out, finish=True)
    history = rows(out)
    assert COMPLETE - 1 <= results["epochs"] == len(history) < 500
    best = max(history, key=lambda row: (row["validation_top1"], -row["validation_loss"]))
    assert results["best_epoch"] == best["epoch"]
    assert results["validation"]["top1"] == best["validation_top1"]
    assert convworks.load(out).evaluate(data)["top1"] == results["test"]["top1"]


def test_what_cannot_be_finished(any_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"finish: ends a run that was stopped, and none is named; add resume=RUN"):
        convworks.train(finish=True)
    with pytest.raises(InputError, match="the run is finished; use its bundle"):
        convworks.train(resume=any_run, finish=True)

    class StopAtOnce(Events):
        def step_ended(self, setup: Setup, progress: Progress) -> None:
            if progress.step == 3:
                raise KeyboardInterrupt

    with pytest.raises(RunInterruptedError) as caught:
        train(tmp_path / "run", events=[StopAtOnce()])
    assert "finish=True" not in caught.value.remedy
    with pytest.raises(InputError, match=r"no epoch is complete yet; resume with: convworks\.train"):
        convworks.train(resume=tmp_path / "run", finish=True)
    for more in ({"epochs": "+1"}, {"overrides": ["training.epochs=1"]}):
        with pytest.raises(InputError, match="is trained further by epochs"):
            convworks.train(resume=tmp_path / "run", finish=True, **more)


def test_it_ends_after_the_epochs_that_a_checkpoint_holds(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1, "step": 5}\n{"epoch": 2, "step": 10}\n')
    assert "end it" not in saved(tmp_path)[1]
    for step, epoch in ((5, 1), (7, 1), (10, 2)):
        (tmp_path / "checkpoints" / f"step-{step:08d}.json").touch()
        assert f"or end it after epoch {epoch}: " in saved(tmp_path)[1]
