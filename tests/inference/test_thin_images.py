"""Thin images, which become thousands of times as large where they have to cover an input, are refused one by one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from serving_app import App
from small_bundles import NARROW, small_bundle

import convworks
from convworks.bundle.bundle import save_bundle
from convworks.cli.main import run
from convworks.errors import InputError
from convworks.inference.load import load
from convworks.serve.settings import Limits

SIDE, LIMIT = 16, 50_000
REASON = "is 4000x2; scaled to cover 16x16, it would have 512,000 pixels, more than 50,000"


def png(height: int, width: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "masks"
    save_bundle(path, small_bundle("unet_padded", SIDE, task="segmentation", table=NARROW, fit="crop"))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    for name, size in {"1-good": (20, 30), "2-thin": (2, 4000), "3-long": (16, 256)}.items():
        (images / f"{name}.png").write_bytes(png(*size))
    return images


def test_masks_of_a_thin_image_are_refused_and_the_others_written(
    masks: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(masks), str(folder), "--max-pixels", str(LIMIT), "--out", str(tmp_path / "out"), "--json"]
    assert run(words) == 1
    answered = json.loads(capsys.readouterr().out)
    assert [Path(each["path"]).stem for each in answered["predictions"]] == ["1-good", "3-long"]
    assert answered["errors"] == [{"path": str(folder / "2-thin.png"), "error": REASON}]
    predictor = load(masks, max_pixels=LIMIT, precision="float32")
    rows = list(predictor.predict_files(sorted(folder.iterdir())))
    assert [row.get("error") for row in rows] == [None, REASON, None]
    with pytest.raises(InputError, match="crop it, or raise the limit: max_pixels=N"):
        predictor.predict(folder / "2-thin.png")


def test_the_server_answers_422_for_a_thin_image(masks: Path) -> None:
    app = App({"x": [masks]}, limits=Limits(max_pixels=LIMIT))
    refused = app("POST", "/v1/predict", png(2, 4000))
    assert (refused.status, refused.json["error"]["reason"]) == (422, REASON)
    assert app("POST", "/v1/predict", png(20, 30)).status == 200


@pytest.mark.parametrize("protocol", ["multi-scale", "144-crop"])
def test_views_of_a_thin_image_are_refused(protocol: str, folder: Path, tmp_path: Path) -> None:
    save_bundle(tmp_path / "bundle", small_bundle("lenet5_modern", 32))
    out = tmp_path / "answers.jsonl"
    options = {"protocol": protocol, "skip_damaged": True, "max_pixels": LIMIT}
    convworks.predict_to(tmp_path / "bundle", folder, out, **options)  # type: ignore[arg-type]
    errors = [json.loads(line).get("error") for line in out.read_text().splitlines()]
    assert (errors[0], errors[2]) == (None, None)
    assert "is 4000x2; scaled to cover" in errors[1]


def test_images_of_moderate_proportions_pass_any_limit(masks: Path) -> None:
    mask = load(masks, max_pixels=160, precision="float32").predict(png(4, 40))["mask"]
    assert mask.shape == (4, 40)
