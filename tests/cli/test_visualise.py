"""`convworks visualise` and `landscape`: what they write, where, what they say, and what they refuse."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from small_bundles import small_bundle

from convworks.bundle.bundle import save_bundle
from convworks.cli.explain.visualise import _next
from convworks.cli.main import run
from convworks.explain.features.views import of_runs
from convworks.explain.features.views.options import VIEWS, Options, check_options


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (12, 10), dtype=np.uint8)
        Image.fromarray(pixels).save(f"image{number}.png")


@pytest.fixture
def answer(any_run: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: object, status: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        assert run(["visualise", str(any_run), *map(str, arguments), "--json"]) == status
        values: dict[str, Any] = json.loads(capsys.readouterr().out)
        return values

    return call


OPTIONS: dict[str, list[str]] = {
    "kernels": ["--channels", "0,2"],
    "gabor": ["--seed", "1"],
    "maps": ["image0.png", "image1.png", "--tap", "stem"],
    "field": ["image0.png", "--unit", "1,1"],
    "invert": ["image0.png", "--steps", "5"],
    "patches": ["--data", "digits", "--split", "test"],
    "maximise": ["--channels", "0,1", "--steps", "5"],
    "embedding": ["--data", "digits", "--split", "validation"],
}


@pytest.mark.parametrize("view", [pytest.param(view, marks=[pytest.mark.slow] * (view == "gabor")) for view in OPTIONS])
def test_every_view_is_a_picture_with_its_numbers(view: str, answer: Any) -> None:
    values = answer("--show", view, *OPTIONS[view])
    images = [word for word in OPTIONS[view] if word.endswith(".png")]
    assert len(values["results"]) == max(1, len(images))
    for row, name in zip(values["results"], images or [""], strict=True):
        assert row["picture"] == f"visualised/{Path(name).stem}{'-' if name else ''}{view}.png"
        with Image.open(row["picture"]) as picture:
            assert min(picture.size) > 50
        assert ElementTree.parse(row["vector"]).getroot().tag.endswith("svg")
        with np.load(row["numbers"]) as numbers:
            assert all(np.isfinite(values).all() for values in numbers.values() if values.dtype.kind == "f")
    assert len(list(Path("visualised").iterdir())) == 3 * len(values["results"])


def test_the_plane_of_a_source(answer: Any) -> None:
    """Of any layer, not of taps alone."""
    values = answer("--show", "embedding", "--data", "digits", "--split", "test", "--tap", "stem.conv")
    (row,) = values["results"]
    assert row["layer"] == "stem.conv"
    with np.load(row["numbers"]) as numbers:
        assert numbers["tsne"].shape == numbers["principal_components"].shape == (row["n"], 2)
    assert set(row["trustworthiness"]) == {"principal components", "t-sne"}


def test_the_history_of_a_run(long_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["visualise", str(long_run), "--show", "history", "--tap", "stage1.conv", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    with np.load(row["numbers"]) as numbers:
        assert len(numbers["steps"]) == len(numbers["kernels"]) == 3
        inputs = numbers["kernels"].shape[2]
    assert inputs > 3
    assert f"input channel 0 of {inputs}" in Path(row["vector"]).read_text()
    assert run(["visualise", str(long_run), "image0.png", "image1.png", "--show", "history"]) == 0
    said = capsys.readouterr().out
    assert "maps at 3 checkpoints" in said
    assert {path.name for path in Path("visualised").glob("image*.svg")} == {
        "image0-history.svg",
        "image1-history.svg",
    }


def test_of_many_checkpoints_it_is_said_which_are_drawn(
    long_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show = ["visualise", str(long_run), "--show", "history"]
    assert run(show) == 0
    assert "drawn" not in capsys.readouterr().out
    monkeypatch.setattr(of_runs, "ROWS", 2)
    assert run(show) == 0
    assert re.search(
        r"^drawn: 2 of 3 checkpoints, those of steps [\d,]+, [\d,]+; ", capsys.readouterr().out, re.MULTILINE
    )
    assert run([*show, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert row["drawn"] == [row["steps"][0], row["steps"][-1]]
    assert "2 of 3 checkpoints" in Path(row["vector"]).read_text()
    with np.load(row["numbers"]) as numbers:
        assert len(numbers["kernels"]) == 3


def test_nothing_is_replaced(answer: Any) -> None:
    assert answer()["out"] == "visualised"
    assert answer()["out"] == "visualised-2"
    assert answer("--show", "maps", "image0.png")["out"] == "visualised"
    assert answer("--out", "visualised", status=2)["error"]["reason"].startswith("already exists")
    assert answer("--out", "visualised", "--overwrite")["out"] == "visualised"


def test_every_view_is_tried_here_or_with_the_runs_that_it_needs() -> None:
    assert set(VIEWS) == {*OPTIONS, "history"}


BAD = [
    (["--show", "history"], "--show history: "),
    (["--show", "mpas"], "--show: there is no view 'mpas' (did you mean 'maps'?)"),
    (["--show", "maps"], "IMAGE: is missing: --show maps draws the feature maps of an image; add it"),
    (["--show", "patches"], "--data: is missing"),
    (
        ["--show", "kernels", "--data", "digits"],
        "--data: does not apply to --show kernels: the weights of a convolution",
    ),
    (["image0.png"], "IMAGE: does not apply to --show kernels"),
    (["--show", "maps", "image0.png", "--tap", "stage9"], "--tap: there is no tap 'stage9'"),
    (["--show", "maps", "image0.png", "--tap", ""], "--tap: there is no tap ''"),
    (
        ["--show", "maps", "image0.png", "--tap", "stem[0]"],
        "--tap: there is no stem[0]: stem is called once; count from 1",
    ),
    (["--show", "maps", "image0.png", "--tap", "head.logits"], "--tap: head.logits outputs 10 values, not a map"),
    (["--show", "field", "image0.png", "--unit", "50,0"], "--unit: 50,0 is not on the map of"),
    (["--show", "field", "image0.png", "--unit", "x"], "--unit: 'x' is not a list of whole numbers"),
    (["--channels", "999"], "channels, no 999; count from 0"),
    (["--tap", "head.logits"], "--tap: head.logits (Linear) has no kernels of its own"),
    (["--show", "maximise", "--seed", "-1"], "--seed: is -1; give a whole number from 0 to 4294967295"),
    (["--show", "embedding", "--data", "digits", "--seed", "99999999999"], "--seed: is 99999999999; give"),
    (["--show", "maximise", "--channels", "0,-1"], "channels, no -1; count from 0"),
    (["--show", "patches", "--data", "digits", "--split", "none"], "--split: digits has no split 'none'"),
    (["--show", "embedding", "--data", "digits", "--tap", "nothing"], "--tap: there is no tap 'nothing'"),
]


@pytest.mark.parametrize(
    ("arguments", "line"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_input_is_one_line(
    arguments: list[str], line: str, any_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["visualise", str(any_run), *arguments]) == 2
    out, said = capsys.readouterr()
    assert out == ""
    assert line in said.splitlines()[-1]
    assert not Path("visualised").exists()


@pytest.mark.parametrize("view", ["maps", "field"])
def test_of_an_ensemble_the_first_member_is_shown(view: str, capsys: pytest.CaptureFixture[str]) -> None:
    save_bundle(Path("ensemble"), small_bundle("ensemble_best", 28))
    assert run(["visualise", "ensemble", "image0.png", "--show", view, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert row["layer"].startswith("members.member1.stages.")


def test_a_landscape_says_where_it_is(any_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["landscape", str(any_run), "--data", "digits", "--points", "5", "--images", "20", "--dimensions", "1"]
    assert run(words) == 0
    out = capsys.readouterr().out
    assert "5 points on 20 images of digits (test)" in out
    assert "picture: landscape/landscape.png" in out
    assert run([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["out"] == "landscape-2"


@pytest.mark.parametrize("view", [name for name in VIEWS if name != "embedding"])
def test_the_next_command_is_one_that_works(view: str) -> None:
    """It takes what this one took; whether there are checkpoints nobody knows."""
    takes = VIEWS[view].takes
    for images in {"images" in VIEWS[view].needs, "images" in takes}:
        data = "digits" if "data" in VIEWS[view].needs else None
        words = _next("bundle", view, data, ["one.png"] if images else []).split()
        following = words[words.index("--show") + 1]
        assert following not in (view, "history")
        check_options(following, Options(data=data), images=images)
