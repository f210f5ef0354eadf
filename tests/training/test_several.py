"""Runs on images of multiple labels, from the table to the report, through the command line."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convworks
from convworks.cli.main import run
from convworks.signed import write_signed
from convworks.tasks.outcomes.multi_label import LabelSetPredictions

CLASSES = ("east", "north", "west")
COUNT = 90


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make images whose sides are bright where a class says so, a run on them, and a folder of the same images."""
    root = tmp_path_factory.mktemp("several")
    rng = np.random.default_rng(0)
    rows = ["path,labels,split"]
    for index in range(COUNT + 40):
        pixels = rng.integers(0, 90, (16, 16), dtype=np.uint8)
        names = [name for name in CLASSES if rng.random() < 0.4]
        for name, (top, left) in zip(CLASSES, ((6, 11), (0, 5), (6, 0)), strict=True):
            pixels[top : top + 5, left : left + 5] += np.uint8(120 * (name in names))
        path = root / "images" / f"{index:03d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
        rows.append(f"images/{path.name},{';'.join(names)},{'train' if index < COUNT else 'test'}")
    (root / "sides.csv").write_text("\n".join(rows) + "\n")
    for index, kind in enumerate(("a", "b")):
        (root / "plain" / kind).mkdir(parents=True)
        for number in range(10):
            name = f"{10 * index + number:03d}.png"
            (root / "plain" / kind / name).write_bytes((root / "images" / name).read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        options = ["--set", "training.batch_size=15", "--set", "augment.mixup=0.2", "--set", "augment.shift=0"]
        assert (
            run(["train", "--data", "sides.csv", "--model", "convnet_fast", "--epochs", "8", "--out", "run", *options])
            == 0
        )
    return root


@pytest.fixture(autouse=True)
def _in_workplace(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    status = run([*words, "--json"])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    output: dict[str, Any] = json.loads(captured.out)
    return output


def line(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert run(words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_run_learns_and_says_so(workplace: Path) -> None:
    record = json.loads((workplace / "run/run.json").read_text())
    training = record["configuration"]["training"]
    assert (training["loss"]["kind"], training["best"]) == ("binary_cross_entropy", "map")
    assert training["loss"]["smoothing"] == 0.1
    rows = [json.loads(row) for row in (workplace / "run/metrics.jsonl").read_text().splitlines()]
    best = max(row["validation_map"] for row in rows)
    assert record["results"]["validation"]["map"] == pytest.approx(best, abs=1e-6)
    assert record["results"]["test"]["map"] > 0.95
    assert {"train_exact_match", "validation_micro_f1", "validation_macro_f1"} <= set(rows[0])
    assert "train_top1" not in rows[0]
    with (workplace / "run/predictions.csv").open() as file:
        answers = list(csv.DictReader(file))
    assert len(answers) == 40
    for row in answers:
        names = [name for name in CLASSES if float(row[f"p:{name}"]) >= 0.5]
        assert row["predicted"] == ";".join(names)
        assert row["correct"] == str(int(row["predicted"] == row["labels"]))
    assert "Mean average precision" in (workplace / "run/report.html").read_text()
    assert "Multi-label" in (workplace / "run/bundle/README.md").read_text()


def test_the_decision_threshold_is_the_users(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predictor = convworks.load(workplace / "run")
    default, eager = (predictor.evaluate("sides.csv", threshold=threshold) for threshold in (None, 0.01))
    assert eager["map"] == default["map"]
    assert eager["exact_match"] < default["exact_match"]
    assert predictor.predict("images/000.png", threshold=0.0)["predicted"] == list(CLASSES)
    measured = answer(capsys, "evaluate", "run", "--data", "sides.csv", "--threshold", "0.01", "--out", "eager")
    assert (measured["exact_match"], measured["threshold"]) == (eager["exact_match"], 0.01)
    assert "a probability of 0.01" in (workplace / "eager/report.html").read_text()
    (row,) = answer(capsys, "predict", "run", "images/000.png", "--threshold", "0")["predictions"]
    assert row["predicted"] == list(CLASSES)
    assert "--threshold" in line(capsys, "predict", "run", "images/000.png", "--threshold", "1.5")


def test_recommended_commands_keep_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    moved = ["--threshold", "0.01", "--precision", "float32"]
    for words, command in (
        (
            ["evaluate", "run", "--data", "sides.csv", *moved, "--protocol", "center,flip"],
            "evaluate run --data sides.csv",
        ),
        (["evaluate", "run", "--data", "sides.csv", *moved, "--out", "moved"], "predict run"),
        (["predict", "run", "images/000.png", *moved, "--top", "1"], "predict run images/000.png --top 1"),
        (["predict", "run", "images/000.png", *moved, "--out", "moved.csv"], "evaluate run --data"),
    ):
        capsys.readouterr()
        assert run(words) == 0
        (following,) = re.findall("^next: +convworks (.*)$", capsys.readouterr().out, re.MULTILINE)
        assert following.startswith(command)
        assert " ".join(moved) in following
        assert ("--protocol center,flip" in following) == ("--protocol" in words)
        assert run(shlex.split(following)) == 0


def test_probabilities_are_one_column_a_class(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("predict", "run", "images/000.png", "images/001.png")
    answer(capsys, *words, "--probabilities", "--out", "columns.csv")
    with Path("columns.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "predicted", *(f"p:{name}" for name in CLASSES), "error"]
    for row in rows:
        assert row["predicted"] == ";".join(name for name in CLASSES if float(row[f"p:{name}"]) >= 0.5)
    assert "add --out FILE.csv" in line(capsys, *words, "--probabilities")


def test_a_bundle_gives_probabilities_of_each_class_by_itself(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictor = convworks.load(workplace / "run")
    outcome = predictor.outcome("sides.csv")
    assert isinstance(outcome, LabelSetPredictions)
    assert (outcome.probabilities.sum(1) > 1.2).any()
    images = [str(workplace / name) for name in outcome.names[:5]]
    for row, probabilities, predicted in zip(
        predictor.predict(images), outcome.probabilities, outcome.predicted, strict=False
    ):
        assert row["predicted"] == [name for name, yes in zip(CLASSES, predicted, strict=True) if yes]
        pairs = dict(zip(row["labels"], row["probabilities"], strict=True))
        assert [pairs[name] for name in CLASSES] == pytest.approx(probabilities.tolist(), abs=1e-5)
    assert answer(capsys, "predict", "run", images[0], "--out", "answers.csv")["rows"] == 1
    with Path("answers.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["predicted"] == ";".join(predictor.predict(images[:1])[0]["predicted"])
    assert (workplace / "answers.csv").read_text().startswith("path,predicted,label1,probability1,")
    assert run(["predict", "run", *images]) == 0
    assert capsys.readouterr().out.startswith("image")


def test_evaluation_and_ensembles(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    single = answer(capsys, "evaluate", "run", "--data", "sides.csv", "--out", "page")
    record = json.loads((workplace / "run/run.json").read_text())["results"]["test"]
    assert single["map"] == pytest.approx(record["map"])
    assert (workplace / "page/report.html").exists()
    two = answer(capsys, "evaluate", "run", "run/bundle", "--data", "sides.csv")
    assert two["bce"] == pytest.approx(single["bce"])
    assert run(["evaluate", "run", "--data", "sides.csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for metric in ("test: mAP", "micro F1", "macro F1", "ROC area", "exact match", "binary cross-entropy"):
        assert ["95 % interval" in line for line in lines if line.startswith(metric)] == [True], metric


def test_folds_and_all_of_them_have_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--model", "convnet_fast", "--epochs", "1", "--folds", "2", "--out", "folds")
    results = answer(capsys, "crossval", "--data", "sides.csv", *words)
    low, high = results["pooled"]["intervals"]["map"]
    page = Path(results["report"]).read_text()
    assert f"95 % interval <b>{low:.2%} to {high:.2%}</b>" in page
    assert "With 95 % intervals." in page


def test_data_describes(capsys: pytest.CaptureFixture[str]) -> None:
    description = answer(capsys, "data", "sides.csv")
    assert set(description["unlabelled"]) == {"train", "test"}
    assert 0.9 < description["labels_per_image"]["train"] < 1.5
    assert run(["data", "sides.csv"]) == 0
    text = capsys.readouterr().out
    assert "no label" in text
    assert "labels an image: " in text
    assert run(["data", "sides.csv", "--augment", "folder/default", "--sheet", "seen.png"]) == 0


def test_a_run_goes_on_and_recipes_are_suited(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--data",
        "sides.csv",
        "--set",
        "training.batch_size=15",
        "--set",
        "data.size=16,16",
        "--set",
        "data.channels=1",
    ]
    quick = ["train", "digits/default", *words, "--model", "convnet_fast", "--epochs", "1", "--out", "recipe"]
    balanced = ["--set", "training.loss.kind=binary_cross_entropy", "--set", "training.loss.positive_weights=balanced"]
    results = answer(capsys, *quick, *balanced, "--set", "training.best=macro_f1")
    assert 0 <= results["validation"]["map"] <= 1
    assert answer(capsys, "train", "--resume", "recipe", "--epochs", "2")["epochs"] == 2
    assert run(["runs", "run", "recipe", "--out", "curves.png"]) == 0
    assert (workplace / "curves.png").exists()


def test_what_does_not_fit_is_one_line(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    train = ("train", "--data", "sides.csv", "--out", "no")
    message = line(capsys, *train, "--set", "training.loss.kind=cross_entropy")
    assert "sides.csv" in message
    assert "2 labels" in message
    assert "but the loss cross_entropy needs exactly one label per image" in message
    assert "--set training.loss.kind=binary_cross_entropy" in message
    message = line(capsys, *train, "--set", "training.best=top1")
    assert "training.best: top1 is not measured for multi-label images" in message
    assert "training.sampling: balanced" in line(capsys, *train, "--set", "training.sampling=balanced")
    plain = ("train", "--data", "plain", "--out", "no", "--set", "training.best=map")
    assert "training.best: map is not measured where images have one label" in line(capsys, *plain)
    message = line(capsys, "evaluate", "run", "--data", "plain")
    assert "plain: has images of one label, but the bundle was trained on images of multiple labels" in message
    message = line(capsys, "transfer", "run", "--data", "sides.csv", "--head", "svm", "--out", "no")
    assert "sides.csv: is multi-label, but a head svm needs single labels; take --head linear" in message
    (workplace / "bad.csv").write_text("path,cat,dog\nimages/000.png,1,yes\n")
    message = line(capsys, "train", "--data", "bad.csv", "--out", "no")
    assert "bad.csv line 2: has 'yes' in column 'dog', neither 0 nor 1; write 0 or 1" in message
    assert not (workplace / "no").exists()


def test_bundles_of_two_kinds_are_no_ensemble(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    file = workplace / "other" / "bundle.json"
    file.parent.mkdir()
    values = {**json.loads((workplace / "run/bundle/bundle.json").read_text()), "format": 1}
    write_signed(file, values)
    (file.parent / "weights.safetensors").write_bytes((workplace / "run/bundle/weights.safetensors").read_bytes())
    assert "give bundles of one task" in line(capsys, "evaluate", "run", "other", "--data", "sides.csv")
    assert "of multiple labels, but" in line(capsys, "evaluate", "other", "--data", "sides.csv")
