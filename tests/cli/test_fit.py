"""What becomes of images that a square crop would cut, of further frames, and of floating-point pixels, is said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from workplace import Place, encoded

from convworks.api.request import RunRequest
from convworks.cli.main import run
from convworks.training.run_data import prepare_data

STRIP = (32, 128)


def image(size: tuple[int, int] = STRIP, value: int = 90) -> bytes:
    pixels = np.random.default_rng(value).integers(0, value, (*size, 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels), "PNG")


def images(
    place: Place, more: Mapping[str, bytes] | None = None, *, count: int = 6, size: tuple[int, int] = STRIP
) -> str:
    for letter, value in zip("ab", (90, 200), strict=True):
        for index in range(count):
            place.write(f"data/{letter}/{index}.png", image(size, value + index))
    for name, content in (more or {}).items():
        place.write(f"data/a/{name}", content)
    return "data"


def floating(greatest: float) -> bytes:
    values = np.linspace(0, greatest, 64, dtype=np.float32).reshape(8, 8)
    return encoded(Image.fromarray(values), "TIFF")


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str], status: int = 0) -> tuple[dict[str, Any], str]:
    assert run([*arguments, "--json"]) == status
    out, told = capsys.readouterr()
    found: dict[str, Any] = json.loads(out)
    return found, told


def train(place: Place, *more: str) -> list[str]:
    return ["train", "--data", "data", "--epochs", "1", "--out", "out", *more]


def test_strips_are_put_whole_into_a_letterbox(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    images(place)
    looked, _ = answer(["data", "data"], capsys)
    expected = {"size": [96, 96], "fit": "letterbox", "cut": 0, "cut_by_crop": 0.75}
    assert looked["training"] == expected
    assert run(["data", "data"]) == 0
    line = "training letterboxes images to 96x96 (data.fit=letterbox): a crop would lose 75% of their pixels"
    line += " on average"
    assert line in capsys.readouterr().out.splitlines()
    trained, told = answer(train(place), capsys)
    assert line in told.splitlines()
    record = json.loads((place.root / trained["bundle"] / "bundle.json").read_text())
    assert (record["preprocessing"]["fit"], record["preprocessing"]["size"]) == ("letterbox", [96, 96])


@pytest.mark.parametrize(("size", "percent"), [((102, 136), "25%"), ((100, 102), None)])
def test_a_crop_says_what_it_leaves_out(
    size: tuple[int, int], percent: str | None, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    images(place, size=size, count=4)
    looked, _ = answer(["data", "data"], capsys)
    assert looked["training"]["fit"] == "crop"
    assert looked["training"]["cut"] == pytest.approx(1 - size[0] / size[1])
    assert run(["data", "data"]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if "crops images" in line]
    _, told = answer(train(place, "--model", "convnet_digits", "--set", "data.size=(16,16)"), capsys)
    lines = [line for line in told.splitlines() if "crops images" in line]
    assert len(shown) == len(lines) == (percent is not None)
    for line in (*shown, *lines):
        assert str(percent) in line
        assert "data.fit=letterbox or squash" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["data.fit=crop"], "crops images to 96x96: 75% of their pixels are cut away"),
        (["data.fit=pad"], "cuts images to 96x96"),
        (["data.fit=squash"], None),
        (["data.fit=crop", "data.size=(24,96)"], None),
    ],
)
def test_what_is_said_follows_what_is_asked_for(options: list[str], words: str | None, place: Place) -> None:
    request = RunRequest(data=images(place, count=4), model="convnet_digits", overrides=tuple(options))
    config, source = request.configure()
    lines = [note for note in prepare_data(config, source, torch.device("cpu")).notes if "data.fit" in note]
    assert (lines == []) if words is None else (len(lines) == 1 and words in lines[0])


def test_further_frames_are_counted(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    contents = (encoded(frames[0], kind, save_all=True, append_images=frames[1:]) for kind in ("GIF", "TIFF"))
    images(place, dict(zip(("x.gif", "y.tif"), contents, strict=True)), size=(8, 8))
    looked, _ = answer(["data", "data"], capsys)
    assert looked["several_frames"] == ["a/x.gif", "a/y.tif"]
    assert run(["data", "data"]) == 0
    line = "2 files with several frames or pages: only the first is used"
    assert line in capsys.readouterr().out.splitlines()
    _, told = answer(train(place, "--model", "convnet_digits"), capsys)
    assert line in told.splitlines()


def test_dark_floating_point_images_stay_dark(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """In a source of 0..255, what has no pixel above 1 is nearly black: in training, and for the bundle."""
    images(place, {"dark.tif": floating(0.4), "bright.tif": floating(255.0)}, count=5, size=(8, 8))
    looked, _ = answer(["data", "data"], capsys)
    assert (looked["float_range"], looked["damaged"]) == ([0, 255], [])
    line = "floating-point pixels: 0 is black and 255 white in all files (data.float_range=0,255)"
    assert run(["data", "data"]) == 0
    assert line in capsys.readouterr().out.splitlines()
    trained, told = answer(train(place, "--model", "convnet_digits"), capsys)
    assert line in told.splitlines()
    place.write("black.png", encoded(Image.new("L", (8, 8)), "PNG"))
    rows, _ = answer(["predict", trained["bundle"], "data/a/dark.tif", "black.png"], capsys)
    dark, black = rows["predictions"]
    assert dark["probabilities"] == pytest.approx(black["probabilities"], abs=1e-6)
    record = json.loads((place.root / trained["run"] / "run.json").read_text())
    assert record["configuration"]["data"]["float_range"] == [0, 255]


def test_a_range_of_ones_own(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    images(place, {"x.tif": floating(-3.0), "y.tif": floating(3.0)}, count=5, size=(8, 8))
    looked, _ = answer(["data", "data"], capsys, status=1)
    (damaged,) = looked["damaged"]
    assert damaged["path"].endswith("x.tif")
    assert "-3 to 0, outside 0..255" in damaged["reason"]
    options = ["--model", "convnet_digits", "--set", "data.float_range=-3,3"]
    trained, told = answer(train(place, *options), capsys)
    assert "-3 is black and 3 white" in told
    answer(["predict", trained["bundle"], "data/a/x.tif"], capsys)
    place.write("more.tif", floating(4.0))
    rows, _ = answer(["predict", trained["bundle"], "more.tif", "data/a/x.tif"], capsys, status=1)
    assert "outside -3..3" in rows["errors"][0]["error"]


def test_the_limit_of_pixels_is_that_of_the_bundle(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    images(place, {"large.png": image((10, 10))}, count=5, size=(8, 8))
    small = ["--model", "convnet_digits", "--set", "data.max_pixels=99"]
    _, told = answer(train(place, *small, "--skip-damaged", "--set", "data.skip_damaged=0.2"), capsys)
    assert "skipped 1 damaged of" in told
    rows, _ = answer(["predict", "out", "data/a/0.png", "data/a/large.png"], capsys, status=1)
    assert "has 100 pixels, more than 99" in rows["errors"][0]["error"]
    rows, _ = answer(["predict", "out", "data/a/large.png", "--max-pixels", "100"], capsys)
    assert len(rows["predictions"]) == 1
    looked, _ = answer(["evaluate", "out", "--data", "data", "--max-pixels", "100"], capsys)
    assert looked["n"] == 11
    looked, _ = answer(["data", "data", "--max-pixels", "99"], capsys, status=1)
    assert [row["path"].rsplit("/")[-1] for row in looked["damaged"]] == ["large.png"]
    assert run(["data", "data", "--max-pixels", "100"]) == 0
    assert "next: convworks train --data data --set data.max_pixels=100" in capsys.readouterr().out
