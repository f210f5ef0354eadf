"""The size at which a transferred network reads images, and what leads to transfer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convworks
from convworks.bundle.bundle import load_bundle
from convworks.cli.main import run
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.sources.open import open_source
from convworks.recipes.transfer import input_size


def photographs(folder: Path, size: tuple[int, int], count: int = 12) -> Path:
    """Write noise of a size (width, height) as images of two classes."""
    rng = np.random.default_rng(0)
    for index in range(count):
        path = folder / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(path)
    return folder


def preprocessing(side: int) -> Preprocessing:
    return Preprocessing(size=(side, side), channels=3, fit="crop", mean=(0.0,) * 3, std=(1.0,) * 3)


@pytest.mark.parametrize(
    ("own", "images", "accepted", "size", "words"),
    [
        (32, (160, 120), True, (96, 96), "read at 96x96: 32x32, at which the network was trained, is small"),
        (32, (72, 64), True, (64, 72), "--set data.size=32,32"),
        (32, (160, 120), False, (32, 32), "takes no other size"),
        (224, (160, 120), True, (224, 224), "as the network was trained"),
        (32, (28, 28), True, (32, 32), "as the network was trained"),
    ],
)
def test_the_size_suits_network_and_images(
    tmp_path: Path, own: int, images: tuple[int, int], accepted: bool, size: tuple[int, int], words: str
) -> None:
    source = open_source(str(photographs(tmp_path, images)))
    chosen = input_size(source, preprocessing(own), lambda size: accepted)
    assert chosen.size == size
    assert words in chosen.reason


def test_a_transfer_says_which_size_it_chose_and_an_option_overrides_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    convworks.train(epochs=1, device="cpu", out="digits")
    photographs(tmp_path / "photographs", (80, 60))
    options: dict[str, Any] = {"data": "photographs", "epochs": 1, "device": "cpu"}
    capsys.readouterr()
    convworks.transfer("digits", out="chosen", **options)
    err = capsys.readouterr().err
    assert "images are read at 80x60: 8x8, at which the network was trained" in err
    assert "images in colours are read as grey: as the network that is adapted was trained" in err
    assert load_bundle(Path("chosen")).preprocessing.size == (60, 80)
    convworks.transfer("digits", out="own", overrides=["data.size=8,8"], **options)
    assert "images are read" not in capsys.readouterr().err
    assert load_bundle(Path("own")).preprocessing.size == (8, 8)


def test_few_photographs_lead_to_transfer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "few", (80, 60))
    command = "convworks transfer resnet50:imagenet --data few"
    assert run(["data", "few"]) == 0
    assert command in capsys.readouterr().out
    results = convworks.train(data="few", epochs=1, device="cpu", out="run")
    assert "convworks.transfer('resnet50:imagenet', data='few')" in capsys.readouterr().err
    assert [finding["rule"] for finding in results["verdict"]] == ["brief"]  # which ends the verdict
    photographs(tmp_path / "icons", (32, 32))
    assert run(["data", "icons"]) == 0
    assert "convworks transfer" not in capsys.readouterr().out


def masked(folder: Path, count: int = 16) -> Path:
    """Write dark images with a light square, and masks of the squares."""
    rng = np.random.default_rng(0)
    for index in range(count):
        mask = np.zeros((28, 24), np.uint8)
        top, left = rng.integers(0, 14, 2)
        mask[top : top + 9, left : left + 9] = 1
        pixels = (120 * mask + rng.integers(0, 80, mask.shape)).astype(np.uint8)
        for name, values in (("images", pixels), ("masks", mask)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(folder / name / f"{index}.png")
    return folder


def test_a_classifier_becomes_a_network_that_scores_pixels_and_that_one_learns_other_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    convworks.train(epochs=1, device="cpu", out="digits")
    masked(tmp_path / "squares")
    options: dict[str, Any] = {"data": "squares", "device": "cpu", "epochs": 2}
    for bundle, head, chosen in (("digits", None, "unet"), ("unet", None, "pixel"), ("digits", "fcn32s", "fcn32s")):
        result = convworks.transfer(bundle, head=head, out=chosen, **options)
        model = load_bundle(Path(result["bundle"])).model
        assert model.head is not None
        assert model.head.kind == chosen
        assert 0 <= result["validation"]["mean_iou"] <= 1
    assert load_bundle(Path("pixel")).model.cut == "decoder"
    refused = {
        ("unet", "digits"): "--head: unet names the class of every pixel, but digits has no masks; choose another",
        ("linear", "squares"): "--head: linear names the class of an image, but squares has masks; choose one of pixel",
        ("unit", "squares"): "--head: there is no head 'unit' (did you mean 'unet'",
    }
    for (head, data), message in refused.items():
        capsys.readouterr()
        assert run(["transfer", "digits", "--data", data, "--head", head, "--device", "cpu"]) == 2
        assert message in capsys.readouterr().err.splitlines()[-1]
