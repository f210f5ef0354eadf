"""Ensembles over HTTP: networks of other weights and other inputs, whose answers are those of `predict --ensemble`."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from serving_app import App
from small_bundles import NARROW, small_bundle

from convworks.bundle.bundle import save_bundle
from convworks.cli.main import run
from convworks.errors import InputError
from convworks.inference.load import load

SIDE = 8
MASKS: dict[str, Any] = {"name": "unet_padded", "task": "segmentation", "table": NARROW}
NETWORKS: dict[str, dict[str, Any]] = {
    "small": {"name": "convnet_digits", "side": SIDE},
    "other": {"name": "convnet_digits", "side": SIDE},
    "large": {"name": "convnet_digits", "side": 2 * SIDE},
    "masks": {**MASKS, "side": SIDE, "fit": "letterbox"},
    "larger masks": {**MASKS, "side": 2 * SIDE, "fit": "crop"},
    "picture": {"name": "autoencoder_conv", "side": 28, "task": "reconstruction"},
}
#: The members of each ensemble.
ENSEMBLES = {"sizes": ("small", "large"), "alike": ("small", "other"), "pixels": ("masks", "larger masks")}
COUNT = 3


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save networks of other weights, and some images of several sizes."""
    root = tmp_path_factory.mktemp("ensembles")
    for seed, (name, network) in enumerate(NETWORKS.items()):
        bundle = small_bundle(**network)
        generator = torch.Generator().manual_seed(seed)
        for parameter in bundle.network.parameters():
            parameter.data *= 1 + torch.randn(parameter.shape, generator=generator)
        save_bundle(root / name, bundle)
    (root / "images").mkdir()
    for number in range(COUNT):
        pixels = np.random.default_rng(number).integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def app(place: Path) -> App:
    return App({name: [place / member for member in members] for name, members in ENSEMBLES.items()})


def encoded(place: Path) -> list[str]:
    return [base64.b64encode(path.read_bytes()).decode() for path in sorted((place / "images").iterdir())]


def predicted(place: Path, name: str, capsys: pytest.CaptureFixture[str], *more: str) -> list[dict[str, Any]]:
    """Return what the command line says of the images."""
    first, *others = (str(place / member) for member in ENSEMBLES[name])
    words = ["predict", first, str(place / "images"), *(word for other in others for word in ("--ensemble", other))]
    capsys.readouterr()
    assert run([*words, "--precision", "float32", "--device", "cpu", "--runtime", "torch", "--json", *more]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["predictions"]
    return [{key: value for key, value in row.items() if key != "path"} for row in rows]


def infer(app: App, name: str, tensor: dict[str, Any], output: str) -> Any:
    body = json.dumps({"inputs": [tensor], "outputs": [{"name": output}]}).encode()
    return app("POST", f"/v2/models/{name}/infer", body)


def values(answered: Any) -> np.ndarray:
    assert answered.status == 200, answered.body
    (output,) = answered.json["outputs"]
    return np.reshape(output["data"], output["shape"])


def probabilities(rows: list[dict[str, Any]]) -> np.ndarray:
    return np.array([[row["probabilities"][row["labels"].index(each)] for each in "abcde"] for row in rows])


@pytest.mark.parametrize("name", ["sizes", "alike"])
def test_an_ensemble_answers_with_the_digits_of_predict(
    name: str, app: App, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, right = encoded(place), predicted(place, name, capsys)
    body = json.dumps({"images": images}).encode()
    answered = app("POST", f"/v1/predict?model={name}", body, {"Content-Type": "application/json"})
    assert answered.json["predictions"] == right
    tensor = {"name": "images", "datatype": "BYTES", "shape": [COUNT], "data": images}
    np.testing.assert_array_equal(values(infer(app, name, tensor, "activated")), probabilities(right))
    for member in ENSEMBLES[name]:
        rows = load(place / member, device="cpu", precision="float32").predict(sorted((place / "images").iterdir()))
        assert abs(probabilities(rows) - probabilities(right)).max() > 0.01, "each member counts"


def test_samples_are_taken_where_all_networks_fit_images_alike(app: App, place: Path) -> None:
    members = [load(place / member, device="cpu", precision="float32") for member in ENSEMBLES["alike"]]
    pixels = np.stack([members[0].input.read("x", base64.b64decode(each)) for each in encoded(place)])
    facts = {"name": "samples", "datatype": "UINT8", "shape": list(pixels.shape), "data": pixels.tolist()}
    mean = np.mean([probabilities(member.predict(list(pixels))) for member in members], 0)
    np.testing.assert_allclose(values(infer(app, "alike", facts, "activated")), mean, atol=1e-7)
    assert [each["name"] for each in app("GET", "/v2/models/alike").json["inputs"]] == ["samples", "images"]
    for name in ("sizes", "pixels"):
        refused = infer(app, name, facts, "activated" if name == "sizes" else "mask")
        words = "samples: are not taken by this ensemble: its networks fit images each in its own way"
        assert (refused.status, refused.json["error"]) == (400, f"{words}; send the images encoded")
        assert [each["name"] for each in app("GET", f"/v2/models/{name}").json["inputs"]] == ["images"]


def test_networks_that_segment_answer_with_the_masks_of_predict(
    app: App, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = predicted(place, "pixels", capsys, "--out", str(tmp_path / "masks"))
    body = json.dumps({"images": encoded(place)}).encode()
    answered = app("POST", "/v1/predict?model=pixels", body, {"Content-Type": "application/json"})
    for number, (answer, row) in enumerate(zip(answered.json["predictions"], right, strict=True)):
        mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["mask"]))))
        np.testing.assert_array_equal(mask, np.asarray(Image.open(row["out"])))
        assert (answer["labels"], answer["areas"]) == (row["labels"], row["areas"])
        tensor = {"name": "images", "datatype": "BYTES", "shape": [1], "data": [encoded(place)[number]]}
        np.testing.assert_array_equal(values(infer(app, "pixels", tensor, "mask"))[0], mask)


def test_what_is_no_ensemble_is_refused_as_predict_refuses_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {"picture": "makes images, which cannot be an ensemble", "masks": f"is for segmentation, {place / 'small'}"}
    for member, reason in wrong.items():
        first = member if member == "picture" else "small"
        with pytest.raises(InputError, match=f"but both are named x; give each a name: NAME={place}") as refused:
            App({"x": [place / first, place / member]})
        assert reason in str(refused.value)
        words = ["predict", str(place / first), str(place / "images"), "--ensemble", str(place / member)]
        assert run(words) == 2
        assert reason in capsys.readouterr().err
