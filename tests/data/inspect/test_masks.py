"""What `convworks data` says of images with masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from squares import write_squares

from convworks.cli.main import run


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


def test_augmentation_is_shown_with_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_squares(tmp_path / "pairs", 8)
    assert run(["data", "pairs", "--augment", "segmentation/default", "--json"]) == 0
    with Image.open(json.loads(capsys.readouterr().out)["sheet"]) as sheet:
        colours = np.asarray(sheet.convert("RGB"))
    assert (colours.max(2).astype(int) - colours.min(2) > 60).mean() > 0.01
