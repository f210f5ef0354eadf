"""Whole runs on the embedded digits, through the Python interface."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import convworks
from convworks.bundle.bundle import load_bundle
from convworks.data.sources.open import open_source
from convworks.errors import InputError, RunError
from convworks.training import display, folder, loop, validation
from convworks.training import setup as run_setup
from convworks.training.checkpoints import state as checkpoint_state
from convworks.training.checkpoints import store as checkpoint
from convworks.training.listing import read_run

DIGITS = 900  # so many that some are mistaken
FILES = {
    "run.json",
    "metrics.jsonl",
    "curves.png",
    "confusion.png",
    "errors.png",
    "metrics.csv",
    "predictions.csv",
    "ranking.png",
    "report.html",
    "statistics.jsonl",
    "bundle",
    "checkpoints",
}


def train(out: Path, **options: Any) -> dict[str, Any]:
    return convworks.train(out=out, deterministic=True, **{"epochs": 2, **options})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return train(tmp_path_factory.mktemp("runs") / "digits", epochs=4)


def test_the_run_folder_is_complete_and_has_no_leftovers(run: dict[str, Any]) -> None:
    folder = Path(run["run"])
    assert {path.name for path in folder.iterdir()} == FILES
    assert {p.name for p in (folder / "bundle").iterdir()} == {"weights.safetensors", "bundle.json", "README.md"}
    assert not list(folder.rglob("*.partial"))


def test_the_answer_has_the_documented_shape(run: dict[str, Any]) -> None:
    assert run["test"]["n"] == len(open_source("digits").splits["test"])
    assert 0.8 < run["test"]["top1"] <= 1
    assert run["test"]["interval"][0] < run["test"]["top1"] <= run["test"]["interval"][1] <= 1
    assert run["validation"]["n"] > 10
    assert run["seconds"] > 0


def test_the_history_has_a_row_an_epoch(run: dict[str, Any]) -> None:
    rows = [json.loads(line) for line in (Path(run["run"]) / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def test_the_bundle_holds_the_best_epoch_and_the_numbers_of_the_report(run: dict[str, Any]) -> None:
    predictor = convworks.load(run["bundle"])
    metrics = predictor.evaluate("digits")
    assert metrics["top1"] == run["test"]["top1"]
    assert metrics["n"] == run["test"]["n"]
    rows = [json.loads(line) for line in (Path(run["run"]) / "metrics.jsonl").read_text().splitlines()]
    best = max(rows, key=lambda row: (row["validation_top1"], -row["validation_loss"]))
    assert run["best_epoch"] == best["epoch"]
    assert run["validation"]["top1"] == best["validation_top1"]


def test_a_bundle_predicts_the_same_from_anywhere_without_its_run(run: dict[str, Any], tmp_path: Path) -> None:
    import shutil

    images = [np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8) for _ in range(5)]
    before = convworks.load(run["run"]).predict(images)
    copy = tmp_path / "elsewhere"
    shutil.copytree(run["bundle"], copy)
    hidden = Path(run["run"]).rename(tmp_path / "hidden")
    try:
        assert convworks.load(copy).predict(images) == before
    finally:
        hidden.rename(run["run"])


def test_predictions_csv_agrees_with_the_accuracy(run: dict[str, Any]) -> None:
    lines = (Path(run["run"]) / "predictions.csv").read_text().splitlines()[1:]
    assert len(lines) == run["test"]["n"]
    right = sum(line.split(",")[1] == line.split(",")[2] for line in lines)
    assert right / len(lines) == run["test"]["top1"]


def test_repeats_are_bit_exact_and_seeds_differ(run: dict[str, Any], tmp_path: Path) -> None:
    again, other = train(tmp_path / "again", epochs=4), train(tmp_path / "other", epochs=4, seed=1)
    weights = [load_file(Path(r["bundle"]) / "weights.safetensors") for r in (run, again, other)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert not all(torch.equal(weights[0][key], weights[2][key]) for key in weights[0])


def test_lines_say_what_is_trained_and_how_long_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(display.Plain, "early", 0.0)
    train(tmp_path / "run", epochs=1)
    lines = capsys.readouterr().err.splitlines()
    kinds = (
        r"training .+ on [\d,]+ images of digits: 1 epoch of \d+ steps",
        r"an epoch of \d+ steps takes about .+",
        "epoch 1/1 .+",
    )
    found = [[index for index, line in enumerate(lines) if re.fullmatch(kind, line)] for kind in kinds]
    assert [len(each) for each in found] == [1, 1, 1]
    assert found == sorted(found)


def test_early_stopping_ends_after_patience_epochs_without_a_better_one(tmp_path: Path) -> None:
    results = train(tmp_path / "run", epochs=50, overrides=["training.patience=2"])
    assert results["epochs"] == results["best_epoch"] + 2 < 50


def test_the_last_epoch_is_kept_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    falling = iter((0.9, 0.8, 0.7))
    monkeypatch.setattr(loop, "validate", lambda _: {"loss": 1.0, "top1": next(falling), "top5": 1.0})
    results = train(tmp_path / "run", epochs=3, overrides=["training.kept=last"])
    assert results["best_epoch"] == results["epochs"] == 3
    assert read_run(tmp_path / "run").validation == results["validation"]["top1"]
    assert "(last: 3)" in Path(results["report"]).read_text()
    card = (Path(results["bundle"]) / "README.md").read_text()
    assert "3 epochs, the last is kept" in card
    assert "choose the epoch" not in card


def test_a_diverging_run_says_where_and_keeps_its_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = 15  # steps: more than the first epoch has

    def rate(schedule: Any, clock: Any, warmup: Any) -> float:
        return 0.05 if clock.step < calm else 1e30

    monkeypatch.setattr(run_setup, "learning_rate", rate)
    with pytest.raises(RunError, match=r"loss at step \d+ is (nan|inf).*learning rate.*largest gradients: \S+ "):
        train(tmp_path / "wild", epochs=3)
    record = json.loads((tmp_path / "wild" / "run.json").read_text())
    assert record["status"] == "stopped"
    assert "the loss at step" in record["reason"]
    assert checkpoint_state.steps(tmp_path / "wild" / "checkpoints")


def test_a_run_that_diverges_before_its_first_checkpoint_leaves_nothing(tmp_path: Path) -> None:
    wild = ["training.schedule={'kind': 'constant', 'rate': 1e30}"]
    with pytest.raises(RunError, match=r"loss at step \d+ is (nan|inf).*learning rate.*largest gradients: \S+ "):
        train(tmp_path / "runs" / "wild", epochs=3, overrides=wild)
    assert not list(tmp_path.iterdir())


def test_only_the_last_and_the_best_checkpoint_stay(run: dict[str, Any]) -> None:
    folder = Path(run["run"]) / "checkpoints"
    kept_steps = checkpoint_state.steps(folder)
    assert len(list(folder.iterdir())) == 2 * len(kept_steps) <= 4


def test_a_finished_run_cannot_be_resumed(run: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="finished"):
        convworks.train(resume=run["run"])


def test_the_bundle_names_its_classes(run: dict[str, Any]) -> None:
    bundle = load_bundle(Path(run["bundle"]))
    assert bundle.classes == tuple("0123456789")
    assert bundle.preprocessing.size == (8, 8)


@pytest.mark.slow
def test_dropout_repeats_too(tmp_path: Path) -> None:
    options: dict[str, Any] = {"overrides": ["model.table={'dropout': 0.5}"]}
    first, second = train(tmp_path / "a", **options), train(tmp_path / "b", **options)
    assert first["validation"] == second["validation"]
    assert first["test"] == second["test"]


def test_the_record_says_what_auto_was(run: dict[str, Any]) -> None:
    configuration = json.loads((Path(run["run"]) / "run.json").read_text())["configuration"]
    assert configuration["device"] in ("cpu", "cuda", "mps")
    assert configuration["precision"] in ("float32", "bfloat16")
    assert configuration["data"]["source"] == "digits"


def test_a_folder_that_another_process_works_in_is_refused(tmp_path: Path) -> None:
    from convworks.training.folder import run_folder_locked

    (tmp_path / "run").mkdir()
    with run_folder_locked(None, "x", tmp_path / "run"):  # noqa: SIM117
        with pytest.raises(InputError, match="another process"), run_folder_locked(None, "x", tmp_path / "run"):
            pass
    with run_folder_locked(None, "x", tmp_path / "run"):
        pass


def test_batches_of_one_image_are_refused_where_batch_norm_would_see_one_value(tmp_path: Path) -> None:
    overrides = ["training.batch_size=1", "model.table={'head_size': 1, 'blocks': [{'width': 4, 'pool': 8}]}"]
    with pytest.raises(InputError, match=r"training\.batch_size.*one image"):
        train(tmp_path / "run", overrides=overrides)
    assert not (tmp_path / "run").exists()


def test_the_table_can_be_set_down_to_its_blocks(tmp_path: Path) -> None:
    overrides = ["model.table={'head_size': 2, 'blocks': [{'width': 4}, {'width': 8, 'pool': 2}]}"]
    results = train(tmp_path / "run", epochs=1, overrides=overrides)
    assert results["parameters"] == 4 * 9 + 8 + 8 * 4 * 9 + 16 + 8 * 4 * 10 + 10
    assert convworks.load(results["bundle"]).evaluate("digits")["top1"] == results["test"]["top1"]


def test_interrupting_between_the_history_and_the_checkpoint_loses_no_row(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", epochs=3)
    original, saves = checkpoint.save_checkpoint, iter(range(100))

    def break_off(*arguments: Any) -> None:
        if next(saves) == 2:
            raise KeyboardInterrupt
        original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save_checkpoint", break_off)
        with pytest.raises(Exception, match="interrupted"):
            train(tmp_path / "broken", epochs=3)
    convworks.train(resume=tmp_path / "broken")
    rows = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("whole", "broken")]
    losses = [[json.loads(row)["validation_loss"] for row in lines] for lines in rows]
    assert losses[0] == losses[1]
    assert len(losses[0]) == whole["epochs"] == 3


def test_a_run_stopped_between_its_last_step_and_validation_goes_on(tmp_path: Path) -> None:
    train(tmp_path / "whole", epochs=3)
    original, calls = validation.validate, iter(range(100))

    def break_off(setup: Any) -> dict[str, float]:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return original(setup)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "validate", break_off)
        with pytest.raises(Exception, match="interrupted"):
            train(tmp_path / "broken", epochs=3, overrides=["training.checkpoint_seconds=1e-9"])
    convworks.train(resume=tmp_path / "broken")
    rows = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("whole", "broken")]
    losses = [[json.loads(row)["validation_loss"] for row in lines] for lines in rows]
    assert losses[0] == losses[1]


def test_a_run_that_was_killed_while_it_wrote_its_first_file_leaves_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json.77.partial").write_text("{")
    folder.undo(run, (run,))
    assert not run.exists()


def test_a_folder_that_another_process_has_just_taken_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands with one --out: the second has seen an empty folder, and then the first begins its run in it."""
    from convworks.training import folder

    with folder.run_folder_locked(tmp_path / "run", "x", None) as path:
        (path / "run.json").write_text("{}")
        monkeypatch.setattr(folder, "check_free", lambda out: None)
        with pytest.raises(InputError, match="another process"), folder.run_folder_locked(path, "x", None):
            pass
        assert (path / "run.json").exists()
