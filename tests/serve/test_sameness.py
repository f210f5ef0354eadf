"""`convworks predict` and `convworks serve` give the same digits: of a bundle, and of what was exported from it."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving_app import App
from small_bundles import NARROW, needs, small_bundle

from convworks.bundle.bundle import save_bundle
from convworks.cli.main import run
from convworks.deploy.export import find_format, prove, write

NETWORKS: dict[str, dict[str, Any]] = {
    "classification": {"name": "convnet_digits", "side": 8},
    "segmentation": {"name": "unet_padded", "side": 16, "table": NARROW, "fit": "letterbox"},
}
COUNT = 3


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(COUNT)]
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 20 + number, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


def predicted(file: Path, images: list[Path], out: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what the command line says of images; a mask as the bytes of its pixels."""
    words = ["predict", str(file), *map(str, images), "--precision", "float32", "--device", "cpu", "--json"]
    capsys.readouterr()
    assert run(words + (["--out", str(out)] if out.name == "segmentation" else [])) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["predictions"]
    for row in rows:
        del row["path"]
        if "out" in row:
            row["mask"] = pixels_of(Path(row.pop("out")).read_bytes())
    return rows


def pixels_of(content: bytes) -> tuple[tuple[int, int], bytes]:
    image = Image.open(io.BytesIO(content))
    return image.size, image.tobytes()


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("classification", "bundle"),
        pytest.param("classification", "onnx", marks=needs("onnx")),
        pytest.param("classification", "openvino", marks=needs("openvino")),
        pytest.param("segmentation", "openvino", marks=needs("openvino")),
    ],
)
def test_the_server_answers_with_the_digits_of_predict(
    task: str, kind: str, images: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = small_bundle(**NETWORKS[task], task=task)
    file = tmp_path / "network"
    if kind == "bundle":
        save_bundle(file, bundle)
    else:
        file = file.with_suffix(find_format(kind).suffixes[0])
        write(prove(bundle, find_format(kind)), file)
    app = App({"x": [file]}, runtime="torch" if kind == "bundle" else kind)
    contents = [base64.b64encode(path.read_bytes()).decode() for path in images]
    body = json.dumps({"images": contents}).encode()
    answered = app("POST", "/v1/predict", body, {"Content-Type": "application/json"}).json["predictions"]
    for row in answered:
        if "mask" in row:
            row["mask"] = pixels_of(base64.b64decode(row["mask"]))
    assert answered == predicted(file, images, tmp_path / task, capsys)
