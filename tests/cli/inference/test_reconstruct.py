"""`convworks evaluate` and `predict` with a bundle that makes images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convworks
from convworks.cli.main import run


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("runs") / "run"
    return str(convworks.train("autoencoder/fc", data="digits", epochs=1, out=out)["bundle"])


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(draw.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def test_images_are_written(bundle: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (images / "broken.png").write_text("no image")
    assert run(["predict", bundle, str(images), "--out", str(tmp_path / "out"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [Path(row["path"]).name for row in found["errors"]] == ["broken.png"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"0.png", "1.png", "2.png"}
    made = convworks.load(bundle).reconstruct([images / "1.png"])[0, :, :, 0]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "1.png")), made)


def test_images_are_no_rows_of_a_table(bundle: str, images: Path, tmp_path: Path) -> None:
    with pytest.raises(convworks.InputError, match="makes images: its answers are images, not rows of a table"):
        convworks.predict_to(bundle, images, tmp_path / "x.csv")
    assert not list(tmp_path.glob("x.csv*"))


def test_figures_and_report(bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", bundle, "--data", "digits", "--out", str(tmp_path / "report"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["psnr"] == pytest.approx(-10 * np.log10(found["mse"]))
    assert "evaluate BUNDLE --data digits</pre>".replace("BUNDLE", bundle) in Path(found["report"]).read_text()
    assert run(["evaluate", bundle, "--data", "digits", "--split", "train", "--out", str(tmp_path / "train")]) == 0
    assert "--data digits --split train</pre>" in (tmp_path / "train" / "report.html").read_text()
    assert not (tmp_path / "train" / "curves.png").exists()  # nothing was trained here


BAD = {
    "no place": (["predict", "BUNDLE", "IMAGES"], "--out | outputs images | --out DIR"),
    "a file": (["predict", "BUNDLE", "IMAGES", "--out", "FILE"], "--out | is a file"),
    "among the inputs": (["predict", "BUNDLE", "IMAGES", "--out", "IMAGES/out"], "--out | never written to"),
    "a table": (
        ["predict", "BUNDLE", "IMAGES", "--out", "x.csv"],
        "--out x.csv | named like a table, but images are files | name a folder",
    ),
    "a shard": (
        ["predict", "BUNDLE", "IMAGES", "--out", "out", "--shard", "1/2"],
        "--shard | this network writes images | leave it out",
    ),
    "an ensemble": (["evaluate", "BUNDLE", "BUNDLE", "--data", "digits"], "cannot be an ensemble | one bundle"),
    "a protocol": (["evaluate", "BUNDLE", "--data", "digits", "--protocol", "flip"], "--protocol | leave it out"),
    "a combination": (["evaluate", "BUNDLE", "--data", "digits", "--combine", "vote"], "--combine | leave it out"),
    "a comparison": (["compare", "BUNDLE", "BUNDLE", "--data", "digits"], "BUNDLE: makes images | name classes"),
    "a kept head": (
        ["transfer", "BUNDLE", "--data", "digits", "--head", "keep"],
        "BUNDLE: makes images | no classification head | --head linear",
    ),
    "restarts": (["restarts", "autoencoder/fc", "--data", "digits"], "restarts | makes images | convworks train"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str, bundle: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, expected = BAD[name]
    (tmp_path / "file").write_text("")
    places = {"BUNDLE": bundle, "IMAGES": str(images), "FILE": str(tmp_path / "file")}
    for short, place in places.items():
        words = [word.replace(short, place) for word in words]
        expected = expected.replace(short, place)
    assert run(words) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert [word for word in expected.split(" | ") if word not in said[-1]] == [], said
