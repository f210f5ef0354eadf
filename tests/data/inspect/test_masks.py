"""What `convworks data` says of images with masks."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from squares import write_squares

import convworks
from convworks.cli.main import run
from convworks.data.inspect.mask_sheet import choose


def write(path: Path, mask: np.ndarray) -> None:
    Image.fromarray(mask.astype(np.uint8)).save(path)


def test_pixels_and_images_of_each_class_and_masks_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    masks = write_squares(tmp_path / "pairs", 8) / "masks"
    (tmp_path / "pairs" / "classes.csv").write_text("name,value\nground,0\nsquare,1\n")
    half = np.zeros((16, 16))
    half[:8] = 255
    write(masks / "0.png", half)
    assert run(["data", "pairs", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["masks"]["images"] == {"all": {"ground": 8, "square": 7}}
    assert values["masks"]["pixels"] == {"all": {"ground": 128 + 7 * (256 - 36), "square": 7 * 36}}
    assert values["masks"]["ignored"] == {"all": 128}
    with Image.open(values["sheet"]) as sheet:
        colours = np.asarray(sheet.convert("RGB"))
    assert (colours.max(2).astype(int) - colours.min(2) > 60).any(), "masks in colours over grey images"
    write(masks / "1.png", np.full((16, 16), 7))
    write(masks / "2.png", np.zeros((16, 12)))
    assert run(["data", "pairs"]) == 1
    text = capsys.readouterr().out
    assert "damaged: 2" in text
    assert "1.png: has the value 7 at x=0, y=0, which stands for no class (known: 0, 1)" in text
    assert "2.png: is a mask of 12x16 pixels, but its image has 16x16" in text
    assert run(["train", "--data", "pairs", "--epochs", "1", "--out", "run", "--set", "data.skip_damaged=0.5"]) == 0
    assert "skipped 2 damaged" in capsys.readouterr().err


def test_all_faults_are_listed_and_training_refuses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    masks = write_squares(tmp_path / "pairs", 9) / "masks"
    (tmp_path / "pairs" / "classes.csv").write_text("name,value\nvoid,0\nsquare,1\n")
    (masks / "7.png").unlink()
    (masks / "8.png").unlink()
    write(masks / "1.png", np.full((16, 16), 7))
    write(masks / "2.png", np.zeros((16, 12)))
    write(masks / "3.png", np.zeros((12, 16)))
    assert run(["data", "pairs"]) == 1
    text = capsys.readouterr().out
    assert "without a mask: 2\n  images/7.png\n  images/8.png\n" in text
    assert "damaged: 3 (is a mask ...: 2, has the value ...: 1)" in text
    assert "next: repair or remove the damaged files, and add the missing masks" in text
    assert "class 'void' counts as any other: --set data.ignore=void leaves its pixels out" in text
    assert run(["data", "pairs", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["without_mask"] == ["images/7.png", "images/8.png"]
    for words in (["train", "--epochs", "1", "--data"], ["data", "--pack", "packed"]):
        assert run([*words, "pairs"]) == 2
        assert "pairs/masks: 2 of 9 images have no mask: images/7.png" in capsys.readouterr().err


def test_a_sheet_shows_images_from_all_over_and_every_class() -> None:
    showing = np.zeros((300, 3), bool)
    showing[:, 0] = True
    showing[[41, 42, 43, 44], 1] = True
    showing[299, 2] = True
    chosen = choose(showing, 20)
    assert len(set(chosen)) == len(chosen) == 20
    assert chosen == sorted(chosen)
    assert showing[chosen].sum(0).tolist()[1:] == [2, 1]
    assert max(np.diff([0, *chosen, 299])) < 25
    assert choose(showing[:7], 20) == list(range(7))


def test_colours_of_a_table_are_those_of_all_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ground is red, and squares are black, which is left clear; the network learns nothing."""
    monkeypatch.chdir(tmp_path)
    masks = write_squares(tmp_path / "pairs", 10) / "masks"
    (tmp_path / "pairs" / "classes.csv").write_text("name,r,g,b\nground,255,0,0\nsquare,0,0,0\n")
    for path in masks.iterdir():
        square = np.asarray(Image.open(path))[:, :, None]
        write(path, np.where(square, 0, np.array([255, 0, 0])))
    assert run(["data", "pairs"]) == 0
    assert 0.05 < reddish(tmp_path / "pairs-sheet.png") < 0.95
    words = ["--epochs", "1", "--out", "run", "--set", "model.table={'widths': [4, 8], 'dropout': 0.0}"]
    assert run(["train", "--data", "pairs", *words]) == 0
    assert run(["predict", "run", "pairs", "--out", "masks"]) == 0
    assert "left out of pairs: 10 .png in masks/ (the masks of these images)" in capsys.readouterr().err
    names = sorted(path.stem for path in (tmp_path / "masks").rglob("*.png"))
    assert names == sorted(str(number) for number in range(10))
    with Image.open(next((tmp_path / "masks").rglob("0.png"))) as mask:
        assert mask.mode == "P"
        assert (mask.getpalette() or [])[:6] == [255, 0, 0, 0, 0, 0]
    page = (tmp_path / "run" / "report.html").read_text()
    assert '<i style="background: #ff0000"></i>ground' in page
    assert "square left clear" in page
    served = convworks.load("run").task.picture
    assert served is not None
    with Image.open(io.BytesIO(served.png(np.zeros((2, 2), np.uint8)))) as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def reddish(path: Path) -> float:
    """Return the share of the pixels of a picture that are more red than green."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    return float((pixels[:, :, 0] > pixels[:, :, 1] + 40).mean())


def test_augmentation_is_shown_with_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_squares(tmp_path / "pairs", 8)
    assert run(["data", "pairs", "--augment", "segmentation/default", "--json"]) == 0
    with Image.open(json.loads(capsys.readouterr().out)["sheet"]) as sheet:
        colours = np.asarray(sheet.convert("RGB"))
    assert (colours.max(2).astype(int) - colours.min(2) > 60).mean() > 0.01
