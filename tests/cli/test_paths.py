"""`~` and variables in paths: for every command, in Python, and in what the environment says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from workplace import Place

import convworks
from convworks.cli.main import run
from convworks.data.sources.open import open_source

GONE: list[list[str]] = [
    ["train", "--data", "~/gone"],
    ["train", "--data", "$HOME/gone"],
    ["train", "mnist/fast", "--set", "data.source=${HOME}/gone"],
    ["train", "--resume", "~/gone"],
    ["train", "imagenet/vgg_d", "--data", "digits", "--set", "model.start.path=~/gone"],
    ["restarts", "--resume", "~/gone"],
    ["crossval", "--resume", "$HOME/gone"],
    ["tune", "--data", "~/gone"],
    ["lr-range", "--data", "~/gone"],
    ["evaluate", "~/gone", "--data", "digits"],
    ["predict", "$HOME/gone", "x.png"],
    ["data", "~/gone"],
    ["filter", "~/gone", "--kernel", "edge"],
    ["restore", "denoise", "~/gone"],
    ["import", "~/gone", "--model", "lenet5"],
    ["export", "~/gone", "--format", "timm"],
    ["transfer", "~/gone", "--data", "digits"],
    ["features", "~/gone", "--data", "digits"],
    ["probe", "~/gone", "--data", "digits"],
    ["compare", "~/gone", "~/gone", "--data", "digits"],
    ["runs", "~/gone"],
]


@pytest.fixture
def home(place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a home below the working directory, with class folders, a bundle and a table of predictions."""
    (place.root / "home").mkdir()
    monkeypatch.setenv("HOME", str(place.root / "home"))
    place.folder(name="home/data")
    place.bundle(name="home/bundle")
    place.write("home/x.csv", "path,label,predicted,correct\na/0.png,a,a,1\n")
    place.write("home/s.csv", "path,site\na/0.png,x\n")
    place.write("home/k.txt", "0 1 0; 1 1 1; 0 1 0")
    return place.root / "home"


@pytest.mark.parametrize("words", GONE, ids=" ".join)
def test_what_is_read(words: list[str], home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    assert str(home / "gone") in capsys.readouterr().err


WRITTEN: dict[str, list[str]] = {
    "p.csv": ["predict", "~/bundle", "~/data/a/[0-2].png", "$HOME/data/b", "--out", "~/p.csv"],
    "e": ["evaluate", "~/bundle", "--data", "$HOME/data", "--slices", "~/s.csv", "--by", "site", "--out", "~/e"],
    "s.png": ["data", "~/data", "--sheet", "${HOME}/s.png"],
    "packed": ["data", "~/data", "--pack", "~/packed"],
    "f": ["filter", "~/data/a/0.png", "--kernel", "~/k.txt", "--out", "$HOME/f"],
    "c": ["compare", "~/x.csv", "$HOME/x.csv", "--out", "~/c"],
    "m.json": ["models", "lenet5", "--out", "~/m.json"],
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written(name: str, home: Path) -> None:
    before = set(home.parent.iterdir())
    assert run(WRITTEN[name]) == 0
    assert (home / name).exists()
    assert set(home.parent.iterdir()) == before


def test_in_python(home: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    found = convworks.train(data="~/data", out="$HOME/out", model="convnet_digits", epochs=1, device="cpu")
    assert (home / "out" / "run.json").is_file()
    assert f'"source": "{home}/data"' in (home / "out" / "run.json").read_text()
    assert found["bundle"] == str(home / "out" / "bundle")
    predictor = convworks.load("~/bundle")
    assert predictor.predict(["~/data/a/0.png", Path("$HOME/data/a/1.png")])[0]["labels"]
    assert predictor.evaluate("~/data")["n"] == 12
    assert convworks.compare("~/x.csv", Path("~/x.csv"), out="~/c")["n"] == 1
    assert (home / "c" / "compare.csv").is_file()


def test_in_the_environment(home: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.move(place.root / place.idx(), home / "mnist")
    monkeypatch.setenv("CONVWORKS_DATA", "$NOWHERE/~")
    monkeypatch.setenv("CONVWORKS_MIRROR", "http://127.0.0.1:9")
    for text in ("~", "$HOME", "${HOME}/."):
        monkeypatch.setenv("CONVWORKS_DATA", text)
        assert len(open_source("mnist").splits["train"]) == 20


def test_what_is_there_as_it_is_written_wins(home: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("x", str(home))
    place.folder(name="$x/data", classes="abc")
    assert len(open_source("$x/data").classes) == 3
    assert run(["data", "$x/data", "--sheet", "$x/s.png"]) == 0
    assert (place.root / "$x" / "s.png").is_file()
    assert len(open_source("${x}/data").classes) == 2
