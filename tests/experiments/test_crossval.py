"""Cross-validation of the embedded digits equals the loop that one writes by hand."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from processes import begin, kill, one_thread, wait_for, weights
from sklearn.model_selection import StratifiedKFold

import convworks
from convworks.data.column import Arrays
from convworks.data.sources.open import open_source
from convworks.errors import InputError
from convworks.metrics.classification import wilson_interval

__all__ = ["one_thread"]
FOLDS = 3


@pytest.fixture(scope="module")
def results(options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("crossval") / "three"
    return convworks.crossval(folds=FOLDS, seed=2, out=out, **options)


def as_table(folder: Path, name: str, splits: Mapping[str, list[int]], labels: list[int]) -> Path:
    rows = [f"{index:05d}.png,{labels[index]},{split}" for split, chosen in splits.items() for index in chosen]
    (folder / name).write_text("\n".join(["path,label,split", *rows]))
    return folder / name


def test_it_equals_a_loop_over_scikit_learns_folds_that_calls_train(
    results: dict[str, Any], options: dict[str, Any], few: Path, tmp_path: Path
) -> None:
    digits = open_source(few).splits["train"]
    assert isinstance(digits.inputs, Arrays)
    for index, pixels in enumerate(digits.inputs.values):
        Image.fromarray(pixels[:, :, 0]).save(tmp_path / f"{index:05d}.png")
    right = []
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=2)
    for number, (train, validation) in enumerate(splitter.split(digits.labels, digits.labels), 1):
        splits = {"train": train.tolist(), "val": validation.tolist()}
        data = as_table(tmp_path, f"fold-{number}.csv", splits, digits.labels.tolist())
        run = convworks.train(seed=2, out=tmp_path / f"run-{number}", **{**options, "data": data})
        fold_run = results["runs"][number - 1]
        assert fold_run["validation"] == run["validation"]
        assert weights(fold_run["run"]) == weights(run["run"])
        right.append(round(run["validation"]["top1"] * run["validation"]["n"]))
    accuracies = [run["validation"]["top1"] for run in results["runs"]]
    assert results["validation"]["mean"] == pytest.approx(np.mean(accuracies))
    assert results["validation"]["sd"] == pytest.approx(np.std(accuracies, ddof=1))
    assert results["pooled"]["top1"] == pytest.approx(sum(right) / len(digits))
    assert results["pooled"]["interval"] == pytest.approx(list(wilson_interval(sum(right), len(digits))))


def test_each_image_is_predicted_by_its_own_fold(results: dict[str, Any], few: Path) -> None:
    folder, names = Path(results["experiment"]), open_source(few).splits["train"].names
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == list(names)
    with (folder / "folds.csv").open() as file:
        folds = {row["path"]: int(row["fold"]) for row in csv.DictReader(file)}
    right: dict[int, list[int]] = {}
    for row in rows:
        right.setdefault(folds[row["path"]], []).append(int(row["correct"]))
    for run in results["runs"]:
        assert len(right[run["fold"]]) == run["validation"]["n"]
        assert np.mean(right[run["fold"]]) == pytest.approx(run["validation"]["top1"])


def test_the_column_fold_of_a_table_is_followed(
    options: dict[str, Any], few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits = open_source(few).splits["train"]
    assert isinstance(digits.inputs, Arrays)
    rows = ["path,label,fold,camera"]
    for index, pixels in enumerate(digits.inputs.values):
        Image.fromarray(pixels[:, :, 0]).save(tmp_path / f"{index:05d}.png")
        rows.append(f"{index:05d}.png,{digits.labels[index]},{index % 2 + 1},x")
    (tmp_path / "data.csv").write_text("\n".join(rows))
    results = convworks.crossval(out=tmp_path / "two", **{**options, "epochs": 1, "data": tmp_path / "data.csv"})
    assert capsys.readouterr().err.splitlines()[0] == "columns not used: camera"
    with (tmp_path / "two" / "folds.csv").open() as file:
        folds = {row["path"]: int(row["fold"]) for row in csv.DictReader(file)}
    assert folds == {f"{index:05d}.png": index % 2 + 1 for index in range(len(digits))}
    assert [run["name"] for run in results["runs"]] == ["fold-1", "fold-2"]
    log = (tmp_path / "two" / "logs" / "fold-1.txt").read_text()
    half = (len(digits) + 1) // 2
    assert f"validation: {half} of {len(digits)} images, fold 1 of 2, column fold" in log


def test_a_fold_is_an_ordinary_run_that_resumes(results: dict[str, Any], few: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    words = ["--folds", FOLDS, "--seed", 2, "--epochs", 2, "--device", "cpu", "--deterministic"]
    process = begin("crossval", "digits/default", "--data", few, *words, "--out", folder)
    wait_for(process, lambda: bool(list(folder.glob("fold-2/checkpoints/*.json"))))
    kill(process)
    if json.loads((folder / "fold-2" / "run.json").read_text())["status"] != "finished":
        convworks.train(resume=folder / "fold-2")
    assert weights(folder / "fold-2") == weights(results["runs"][1]["run"])
    resumed = convworks.crossval(resume=folder)
    assert resumed["pooled"] == results["pooled"]
    with pytest.raises(InputError, match="the experiment is finished; look at"):
        convworks.crossval(resume=folder)


def test_groups_of_a_table_stay_together(options: dict[str, Any], tmp_path: Path) -> None:
    digits = open_source("digits").splits["train"]
    assert isinstance(digits.inputs, Arrays)
    rows = ["path,label,writer"]
    for index in range(120):
        Image.fromarray(digits.inputs.values[index, :, :, 0]).save(tmp_path / f"{index:03d}.png")
        rows.append(f"{index:03d}.png,{'odd' if digits.labels[index] % 2 else 'even'},w{index % 7}")
    (tmp_path / "data.csv").write_text("\n".join(rows))
    out, changed = tmp_path / "out", {**options, "data": tmp_path / "data.csv", "epochs": 1}
    convworks.crossval(folds=2, group_by="writer", out=out, **changed)
    with (out / "folds.csv").open() as file:
        folds = {(int(row["path"][:3]) % 7, row["fold"]) for row in csv.DictReader(file)}
    assert len(folds) == 7
    assert {fold for _, fold in folds} == {"1", "2"}
    configuration = json.loads((out / "fold-2" / "run.json").read_text())["configuration"]
    fold = {"number": 2, "of": 2, "stratified": True, "group_by": "writer", "column": None}
    assert configuration["data"]["fold"] == fold
