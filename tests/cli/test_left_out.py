"""What of a source is not used, and that is said; which images the verbs find in folders, and what they call them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from workplace import SMALL, Place, evaluate, predict, train

from convworks.cli.main import run
from convworks.data.sources import image_names

HEIC = "HEIC, for which pillow-heif is not installed: pip install 'convworks[heic]'"
LINE = f"left out of data: 2 .heic in a/ ({HEIC}); 1 .txt in b/ (not images)\n"


@pytest.fixture(autouse=True)
def _without_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_names, "heic_available", lambda: False)


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*arguments, "--json"]) == 0
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


def test_what_is_left_out_is_told_by_data_and_train(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.folder({"a/x.heic": "x", "a/y.HEIC": "y", "b/x.txt": "x", "b/Thumbs.db": "x", "@eaDir/a/1.png": "x"})
    assert run(["data", "data"]) == 0
    assert f"left out: 3\n  2 .heic in a/ ({HEIC})\n  1 .txt in b/ (not images)\n" in capsys.readouterr().out
    values = answer(["data", "data"], capsys)
    assert values["left_out"] == [
        {"ending": ".heic", "folder": "a/", "count": 2, "reason": HEIC},
        {"ending": ".txt", "folder": "b/", "count": 1, "reason": "not images"},
    ]
    assert run(train("data")) == 0
    assert capsys.readouterr().err.count(LINE) == 1
    place.write("data/b/x.heic", "x")
    assert run(predict("out", "data/b")) == 0
    assert f"left out of data/b: 1 .heic in ./ ({HEIC})\n" in capsys.readouterr().err


def test_a_class_that_validation_lacks_is_a_warning(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.folder(name="data/Training", classes="abc")
    place.folder(name="data/Validate", classes="ab")
    place.folder(name="data/Testing", classes="bc")
    place.write("data/Testing/a/notes.txt", "no image")
    warnings = [f"{split} has no image of class '{label}'" for split, label in (("validation", "c"), ("test", "a"))]
    assert run(["data", "data"]) == 0
    assert all(f"warning: {warning}, which train has\n" in capsys.readouterr().out for warning in warnings[:1])
    assert answer(["data", "data"], capsys)["lacking"] == {"validation": ["c"], "test": ["a"]}
    assert run(train("data")) == 0
    shown = capsys.readouterr().err
    assert all(shown.count(f"warning: {warning}, which train has\n") == 1 for warning in warnings)
    record = json.loads((place.root / "out" / "run.json").read_text())["results"]
    assert (record["validation"]["n"], record["test"]["n"]) == (12, 12)
    values = answer(evaluate("out", "data"), capsys)
    assert (values["split"], values["n"], values["note"]) == ("test", 12, "")


def test_a_class_that_validation_lacks_where_images_show_several(place: Place) -> None:
    place.images("x", count=9)
    rows = [f"x/{at}.png,{int(at < 3)},{int(at > 1)},{'val' if at > 5 else 'train'}" for at in range(9)]
    place.write("set.csv", "\n".join(["path,one,two,split", *rows]))
    assert run(train("set.csv")) == 0


def test_the_same_images_are_found_by_every_verb(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.folder({"a/.hidden/1.png": "x", "a/.1.png": "x", "b/._1.png": "x", "b/@eaDir/1.png": "x", "a/x.txt": "x"})
    place.images("elsewhere", 2)
    place.link("data/b/linked", "../../elsewhere")
    source = answer(["data", "data"], capsys)
    bundle = place.bundle()
    by_folder = [row["path"] for row in answer(predict(bundle, "data"), capsys)["predictions"]]
    assert len(by_folder) == source["totals"]["all"] == 18
    assert not any("/." in path or "@" in path for path in by_folder)
    for pattern in ("data/**", "data/**/*", "data/**/*.png"):
        assert sorted(row["path"] for row in answer(predict(bundle, pattern), capsys)["predictions"]) == by_folder
    kernel = ["--kernel", "sharpen", "--out"]
    filtered = [row["path"] for row in answer(["filter", "data", *kernel, "one"], capsys)["images"]]
    assert filtered == by_folder
    features = ["features", bundle, "--data", "data", "--out", "x.npz"]
    assert answer(features, capsys)["splits"] == {"all": 18}


def test_a_folder_without_splits_is_all(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = place.bundle()
    shutil.copytree(place.trained.parent / "data", place.root / "same")
    place.images("other/a", 1, 7)
    place.images("other/b", 0, 7)
    rows = [f"same/{letter}/{at}.png,{letter}" for letter in "ab" for at in range(6)]
    place.write("same.csv", "\n".join(["path,label", *rows]))
    learnt = "the network was trained on these images: expect worse results on new ones"
    for data, note in (("other", ""), ("same", learnt), ("same.csv", learnt)):
        values = answer(evaluate(bundle, data), capsys)
        assert (values["split"], values["note"]) == ("all", note)
    assert run(evaluate(bundle, "same")) == 0
    assert f"note: {learnt}" in capsys.readouterr().out
    old = place.bundle(lambda d: [d["record"].pop(name) for name in ("images", "sketch")], name="old")
    values = answer(evaluate(old, "same"), capsys)
    assert values["note"] == ""


def test_the_note_is_true_of_splits_too(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for split, digit in (("train", 0), ("val", 10), ("test", 20)):
        place.folder(name=f"data/{split}")
        for path in (place.root / "data" / split).rglob("*.png"):
            path.write_bytes(path.read_bytes() + bytes(digit))  # other images of other sizes
    assert run(train("data")) == 0
    best = ["--set", "training.kept=best"]
    assert run(["train", "--data", "data", *SMALL, *best, "--out", "one"]) == 0  # of one epoch none is chosen
    assert run(["train", "--data", "data", *SMALL, *best, "--epochs", "2", "--out", "best"]) == 0
    notes = {
        (run_, split): answer([*evaluate(run_, "data"), "--split", split], capsys)["note"]
        for run_ in ("out", "one", "best")
        for split in ("train", "validation", "test")
    }
    assert {key: bool(note) for key, note in notes.items()} == {
        ("out", "train"): True,
        ("out", "validation"): False,
        ("out", "test"): False,
        ("one", "train"): True,
        ("one", "validation"): False,
        ("one", "test"): False,
        ("best", "train"): True,
        ("best", "validation"): True,
        ("best", "test"): False,
    }
    assert "trained on these images" in notes["out", "train"]
    assert "the run selected the epoch on these images" in notes["best", "validation"]
    assert answer(evaluate("out", "data/train"), capsys)["note"] == notes["out", "train"]


def test_classes_and_paths_are_compared_by_their_letters(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    letters = {form: [normalize(form, name) for name in ("é", "ö")] for form in ("NFC", "NFD")}
    for form, folder in (("NFC", "data/train"), ("NFD", "data/val"), ("NFD", "new")):
        for digit, letter in enumerate(letters[form]):
            place.images(f"{folder}/{letter}", digit)
    assert run(train("data")) == 0
    assert answer(evaluate("out", "new"), capsys)["n"] == 12
    rows = [f"new/{letter}/{at}.png,{letter}" for letter in letters["NFC"] for at in range(6)]
    place.write("set.csv", "\n".join(["path,label", *rows]))
    values = answer([*evaluate("out", "set.csv"), "--out", "report"], capsys)
    assert values["n"] == 12
    with Path("report/predictions.csv").open(encoding="utf-8", newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    sides = "\n".join(["path,side", *(f"{normalize('NFD', path)},{at % 2}" for at, path in enumerate(paths))])
    place.write("sides.csv", sides)
    values = answer([*evaluate("out", "set.csv"), "--slices", "sides.csv", "--by", "side"], capsys)
    assert [row["n"] for row in values["slices"]["rows"]] == [6, 6]
    text = Path("report/predictions.csv").read_text(encoding="utf-8")
    place.write("again.csv", normalize("NFD", text))
    assert answer(["compare", "report/predictions.csv", "again.csv"], capsys)["both_right"] == round(
        12 * values["top1"]
    )
    assert answer(["transfer", "out", "--data", "new", "--head", "keep", "--epochs", "1", "--out", "kept"], capsys)
