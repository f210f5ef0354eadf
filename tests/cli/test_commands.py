"""What the commands print and leave behind when all is well."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convworks.cli.main import run

KINDS = ("dark", "light", "stripes")


def picture(kind: str, index: int, size: tuple[int, int] = (20, 16)) -> Image.Image:
    values = np.random.default_rng(index).integers(0, 60, (*size, 3), dtype=np.uint8)
    if kind == "light":
        values += 190
    if kind == "stripes":
        values[::2] += 190
    return Image.fromarray(values)


def checksums(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders with train and test, and a file that is not an image."""
    root = tmp_path_factory.mktemp("images")
    for split, count in (("train", 24), ("test", 6)):
        for number, kind in enumerate(KINDS):
            (root / split / kind).mkdir(parents=True)
            for index in range(count):
                picture(kind, 1000 * number + index).save(root / split / kind / f"{index}.png")
    (root / "train" / "dark" / "notes.txt").write_text("no image")
    return root


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert run(["train", "--data", str(folder), "--epochs", "8", "--out", str(out), "--seed", "1"]) == 0
    return out


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: object, status: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        assert run([*map(str, arguments), "--json"]) == status
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return call


def test_train_answers_with_paths_and_accuracies(folder: Path, answer: Any, tmp_path: Path) -> None:
    before = checksums(folder)
    found = answer("train", "--data", folder, "--epochs", "1")
    assert {"run", "bundle", "report", "validation", "test", "seconds"} <= found.keys()
    assert found["run"] == f"runs/{folder.name}"
    assert (tmp_path / found["report"]).is_file()
    assert found["test"]["n"] == 18
    assert answer("train", "--data", folder, "--epochs", "1")["run"] == f"runs/{folder.name}-2"
    assert checksums(folder) == before


def test_evaluate_answers_with_accuracy_and_interval(folder: Path, trained: Path, answer: Any) -> None:
    before = checksums(folder)
    found = answer("evaluate", trained / "bundle", "--data", folder)
    assert found["n"] == 18
    assert found["split"] == "test"
    assert found["top1"] >= 0.9
    assert found["interval"][0] <= found["top1"] <= found["interval"][1]
    assert answer("evaluate", trained, trained, "--data", folder)["top1"] == found["top1"]
    assert answer("evaluate", trained, "--data", folder, "--split", "train")["n"] == 72
    report = answer("evaluate", trained, "--data", folder, "--out", "report")["report"]
    assert "data:image" in Path(report).read_text() or found["top1"] == 1
    assert checksums(folder) == before


def test_evaluate_writes_the_page_of_errors(folder: Path, trained: Path, answer: Any) -> None:
    errors = answer("evaluate", trained, "--data", folder, "--out", "here")["errors"]
    assert sorted(errors) == ["candidates", "label_errors", "page"]
    assert [Path(errors[name]) for name in ("page", "label_errors")] == [
        Path("here/errors.html"),
        Path("here/label_errors.csv"),
    ]
    assert len(Path(errors["label_errors"]).read_text().splitlines()) == 1 + errors["candidates"]
    assert Path("here/report.html").read_text().count('href="errors.html"') == 2
    assert not Path("here/curves.png").exists()  # nothing was trained here
    assert "errors" not in answer("evaluate", trained, "--data", folder)
    both = answer("evaluate", trained, trained, "--data", folder, "--out", "both", "--combine", "vote")
    assert Path(both["errors"]["page"]).is_file()


def test_evaluate_compares_protocols_with_the_first(folder: Path, trained: Path, answer: Any) -> None:
    alone = answer("evaluate", trained, "--data", folder)
    found = answer(
        "evaluate", trained, trained, "--data", folder, "--combine", "vote", "--protocol", "center,ten-crop,dense"
    )
    rows = found["protocols"]
    assert [row["protocol"] for row in rows] == ["center", "ten-crop", "dense"]
    assert [row["views"] for row in rows] == [1, 10, 2]
    assert found["top1"] == rows[0]["top1"] == alone["top1"]
    assert rows[0]["macs"] == 2 * alone["macs"]
    assert rows[1]["macs"] == 10 * rows[0]["macs"]
    for row in rows[1:]:
        low, high = row["difference_interval"]
        assert low <= row["difference"] <= high
        assert row["difference"] == pytest.approx(row["top1"] - rows[0]["top1"])
        assert 0 <= row["p"] <= 1


def test_what_a_network_cannot_do_is_said_before_anything_is_measured(
    answer: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = answer("train", "--data", "digits", "--model", "perceptron", "--epochs", "1", "--out", "flat")["run"]
    measured: list[Any] = []
    monkeypatch.setattr("convworks.inference.predictor.activated_by", lambda *words: measured.append(words))
    assert run(["evaluate", folder, "--data", "digits", "--protocol", "ten-crop,dense"]) == 2
    assert "dense needs a network that takes larger images" in capsys.readouterr().err
    assert measured == []


def test_evaluate_tells_of_slices(folder: Path, trained: Path, answer: Any) -> None:
    predicted = answer("evaluate", trained, "--data", folder, "--out", "plain")
    with Path(predicted["report"]).with_name("predictions.csv").open(newline="") as file:
        rows = {row["path"]: row["correct"] == "1" for row in csv.DictReader(file)}
    listed = sorted(rows)[1:]
    lines = [f"{name},{'even' if at % 2 else 'odd'}" for at, name in enumerate(listed)]
    Path("cameras.csv").write_text("\n".join(["path,camera", *lines]))
    found = answer("evaluate", trained, "--data", folder, "--slices", "cameras.csv", "--by", "camera", "--out", "out")
    assert found["slices"]["column"] == "camera"
    assert found["slices"]["unlisted"] == 1
    assert {row["value"]: row["n"] for row in found["slices"]["rows"]} == {"odd": 9, "even": 8}
    for row in found["slices"]["rows"]:
        own = [rows[name] for at, name in enumerate(listed) if (row["value"] == "even") == bool(at % 2)]
        assert row["accuracy"] == pytest.approx(sum(own) / len(own))
    html = Path(found["report"]).read_text()
    assert "difference from the rest (points)" in html
    assert "--slices cameras.csv --by camera</pre>" in html


def test_compare_takes_bundles_and_files(
    folder: Path, trained: Path, answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = checksums(folder)
    answer("train", "--data", folder, "--epochs", "1", "--out", "weak", "--seed", "2", "--model", "convnet_digits")
    found = answer("compare", "weak", trained, "--data", folder, "--out", "out")
    assert (found["n"], found["second"]["name"]) == (18, str(trained))
    assert found["difference"] == pytest.approx(found["second"]["accuracy"] - found["first"]["accuracy"])
    html = Path(found["report"]).read_text()
    assert html.count("<figure>") == found["only_first"] + found["only_second"]
    files = ["weak/predictions.csv", trained / "predictions.csv"]
    again = answer("compare", *files, "--data", folder, "--out", "pictures")
    for name in ("difference", "p", "only_first", "only_second", "both_wrong"):
        assert found[name] == again[name]
    assert Path(again["report"]).read_text().count("<figure>") == html.count("<figure>")
    assert answer("compare", files[0], trained, "--data", folder)["difference"] == found["difference"]
    assert run(["compare", *map(str, files)]) == 0
    assert "McNemar's exact test: p = " in capsys.readouterr().out
    assert run(["compare", "weak", str(trained), "--data", str(folder), "--split", "train"]) == 0
    assert "--split train --out compared" in capsys.readouterr().out
    assert checksums(folder) == before


def test_predict_takes_files_folders_and_patterns(folder: Path, trained: Path, answer: Any) -> None:
    before = checksums(folder)
    one, pattern = folder / "test" / "dark" / "0.png", folder / "test" / "light" / "[0-2].png"
    found = answer("predict", trained, one, pattern, folder / "test" / "stripes", one, "--top", "2")
    rows = found["predictions"]
    assert len(rows) == 1 + 3 + 6
    assert all(len(row["labels"]) == len(row["probabilities"]) == 2 for row in rows)
    assert sum(row["labels"][0] == Path(row["path"]).parent.name for row in rows) >= 9
    assert all(sum(row["probabilities"]) <= 1.0001 for row in rows)
    assert checksums(folder) == before


def test_predict_writes_csv_and_json_lines(folder: Path, trained: Path, answer: Any) -> None:
    answer("predict", trained, folder / "test", "--out", "answers.csv", "--top", "3")
    with Path("answers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    answer("predict", trained, folder / "test", "--out", "answers.jsonl", "--top", "3")
    lines = [json.loads(line) for line in Path("answers.jsonl").read_text().splitlines()]
    assert len(rows) == len(lines) == 18
    for row, line in zip(rows, lines, strict=True):
        assert row["path"] == line["path"]
        assert [row[f"label{rank}"] for rank in (1, 2, 3)] == line["labels"]
        assert [float(row[f"probability{rank}"]) for rank in (1, 2, 3)] == line["probabilities"]


def test_predict_writes_one_column_a_class(folder: Path, trained: Path, answer: Any) -> None:
    words = ("predict", trained, folder / "test/light")
    assert answer(*words, "--probabilities", "--out", "x.csv")["rows"] == 6
    found = answer(*words)["predictions"]
    with Path("x.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", *(f"p:{kind}" for kind in KINDS), "error"]
    for row, prediction in zip(rows, found, strict=True):
        assert row["label"] == prediction["labels"][0]
        assert sum(float(row[f"p:{kind}"]) for kind in KINDS) == pytest.approx(1, abs=1e-5)
    error = answer(*words, "--threshold", "0.3", status=2)["error"]
    assert error["where"] == "--threshold"
    assert "multi-label" in error["reason"]


def test_predict_goes_on_after_a_damaged_file(folder: Path, trained: Path, answer: Any) -> None:
    Path("mixed").mkdir()
    picture("dark", 1).save("mixed/good.png")
    Path("mixed/bad.png").write_text("no image")
    found = answer("predict", trained, "mixed", status=1)
    assert [row["path"] for row in found["predictions"]] == ["mixed/good.png"]
    assert [row["path"] for row in found["errors"]] == ["mixed/bad.png"]


def test_data_counts_everything(folder: Path, answer: Any) -> None:
    before = checksums(folder)
    found = answer("data", folder, "--sheet", "sheet.png")
    assert found["counts"]["train"] == dict.fromkeys(KINDS, 24)
    assert found["totals"] == {"train": 72, "test": 18}
    assert found["sizes"] == {"16x20": 90}
    assert found["channels"] == {"3": 90}
    assert found["ignored"] == ["train/dark/notes.txt"]
    assert found["damaged"] == []
    with Image.open("sheet.png") as sheet:
        assert sheet.size[0] > 500
    assert checksums(folder) == before


def test_data_shows_what_a_network_will_see(folder: Path, answer: Any) -> None:
    before = checksums(folder)
    found = answer("data", folder, "--augment", "folder/default", "--set", "augment.cutout=5", "--sheet", "seen.png")
    assert (found["recipe"], found["augment"]["cutout"], found["epochs"]) == ("folder/default", 5, 8)
    assert found["size"] == found["stored"]
    assert {row["class"] for row in found["samples"]} == set(KINDS)
    with Image.open("seen.png") as sheet:
        assert sheet.size[0] > 900
    cut = answer("data", folder, "--augment", "cifar10/resnet20", "--set", "data.stored=(40,40)")
    assert (cut["stored"], cut["size"]) == ([40, 40], [20, 16])
    assert Path(cut["sheet"]).is_file()
    assert checksums(folder) == before


def test_models_lists_and_shows(answer: Any) -> None:
    found = {row["name"]: row for row in answer("models")["models"]}
    assert (found["lenet5"]["parameters"], found["resnet20"]["macs"]) == (60_000, 40_551_040)
    assert found["resnet20"]["input"] == [3, 32, 32]
    (shown,) = answer("models", "lenet5")["models"]
    assert sum(layer["parameters"] for layer in shown["layers"]) == 60_000


def test_recipes_lists_and_shows(answer: Any) -> None:
    assert "mnist/fast" in [row["name"] for row in answer("recipes")["recipes"]]
    assert answer("recipes", "mnist/fast")["configuration"]["data"]["source"] == "mnist"


def test_the_recipe_for_any_folder_is_explained_and_shown_for_one(folder: Path, answer: Any) -> None:
    assert answer("recipes")["recipes"][0]["name"] == "folder/default"
    explained = answer("recipes", "folder/default")
    assert explained["configuration"] is None
    assert "convnet_photo" in explained["text"]
    shown = answer("recipes", "folder/default", "--data", folder)["configuration"]
    trained = answer("train", "folder/default", "--data", folder, "--epochs", "1", "--out", "a")["run"]
    configuration = json.loads(Path(trained, "run.json").read_text())["configuration"]
    assert configuration["model"] == shown["model"]
    assert configuration["augment"] == shown["augment"]
    assert "add --data FOLDER" in answer("train", "folder/default", status=2)["error"]["remedy"]


def test_doctor_finds_the_machine(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVWORKS_DATA", "no/such/folder")
    found = answer("doctor", status=1)
    assert found["found"]["torch"].startswith("2.")
    assert any("CONVWORKS_DATA" in problem for problem in found["problems"])


def test_the_last_line_names_the_next_command(folder: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["models"],
        ["recipes"],
        ["data", str(folder)],
        ["evaluate", str(trained), "--data", str(folder)],
    ):
        assert run(arguments) == 0
        assert capsys.readouterr().out.strip().splitlines()[-1].startswith("next:"), arguments
