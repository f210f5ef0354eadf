"""Training on a folder with damaged files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from workplace import Place, check_line, evaluate, make_place, train

import convworks
from convworks.cli.main import run


@pytest.fixture
def place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Place:
    return make_place(tmp_path, tmp_path_factory, monkeypatch)


def folder(place: Place, count: int = 1) -> str:
    data = place.folder()
    for index in range(20):
        place.write(f"{data}/a/more{index}.png", (place.root / data / "a/0.png").read_bytes())
        place.write(f"{data}/b/more{index}.png", (place.root / data / "b/1.png").read_bytes())
    for index in range(count):
        place.write(f"{data}/a/bad{index}.png", "text")
    return data


def record(place: Place, name: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place.root / name / "run.json").read_text())
    return found


def test_without_the_option_they_are_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(train(folder(place))) == 2
    check_line(capsys.readouterr().err, ["data/a/bad0.png", "is not an image"])


def test_with_it_they_are_counted_and_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    data = folder(place, 2)
    assert run(train(data, "--skip-damaged")) == 0
    assert f"skipped 2 damaged of {data}: a/bad0.png, a/bad1.png\n" in capsys.readouterr().err
    found = record(place)
    assert list(found["damaged"]) == ["a/bad0.png", "a/bad1.png"]
    assert found["configuration"]["data"]["skip_damaged"] == 0.05
    assert found["status"] == "finished"
    assert run(["train", "--resume", "out", "--epochs", "+1"]) == 0
    for name in ("a/bad0.png", "a/bad1.png"):
        (place.root / data / name).unlink()
    assert run([*train(data)[:-1], "whole"]) == 0
    weights = [(place.root / name / "bundle/weights.safetensors").read_bytes() for name in ("out", "whole")]
    assert len(weights[0]) == len(weights[1])
    assert "damaged" not in record(place, "whole")


def test_they_change_nothing_else(place: Place) -> None:
    """The same weights as without the damaged files: they are gone before validation is split off."""
    data = folder(place, 2)
    convworks.train(data=data, out="left-out", model="convnet_digits", epochs=1, skip_damaged=0.1)
    for name in ("a/bad0.png", "a/bad1.png"):
        (place.root / data / name).unlink()
    convworks.train(data=data, out="whole", model="convnet_digits", epochs=1)
    weights = [(place.root / name / "bundle/weights.safetensors").read_bytes() for name in ("left-out", "whole")]
    assert weights[0] == weights[1]


def test_too_many_stop_it(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(train(folder(place, 5), "--skip-damaged")) == 2
    check_line(capsys.readouterr().err, ["data:", "5 of 57 images are damaged", "a/bad0.png", "data.skip_damaged"])
    assert not (place.root / "out").exists()


def test_experiments_leave_them_out_as_well(place: Place) -> None:
    data = folder(place)
    words = ["--data", data, "--model", "convnet_digits", "--epochs", "1", "--skip-damaged"]
    assert run(["restarts", *words, "--runs", "2", "--out", "seeds"]) == 0
    assert run(["crossval", *words, "--folds", "2", "--out", "folds"]) == 0
    rows = (place.root / "folds" / "predictions.csv").read_text().splitlines()
    assert len(rows) == 1 + 52
    assert run(["lr-range", "--data", data, "--model", "convnet_digits", "--steps", "10", "--skip-damaged"]) == 0


def test_evaluate_says_that_most_images_were_trained_on(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """The damaged file was repaired since, so that the images are not exactly those of the run."""
    data = folder(place)
    assert run([*train(data, "--skip-damaged"), "--set", "data.validation=0.2"]) == 0
    place.write(f"{data}/a/bad0.png", (place.root / data / "a/1.png").read_bytes())
    assert run(evaluate("out", data)) == 0
    share = json.loads((place.root / "out/run.json").read_text())["results"]["validation"]["n"]
    note = f"note: the network was trained on about {(52 - share) / 53:.0%} of these images: expect worse results"
    assert note in capsys.readouterr().out


def test_other_images_of_the_same_names_and_sizes_were_not_trained_on(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folder(place, 0)
    for path in (place.root / data).rglob("*.png"):
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    assert run(train(data)) == 0
    for path in (place.root / data).rglob("*.bmp"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    place.write(f"{data}/b/new.bmp", (place.root / data / "b/1.bmp").read_bytes())
    capsys.readouterr()
    assert run(evaluate("out", data)) == 0
    assert "note:" not in capsys.readouterr().out
