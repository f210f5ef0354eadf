"""A loaded bundle: what it answers for files, Pillow images and arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import convworks
from convworks.bundle.bundle import Bundle, load_bundle, save_bundle
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import InputError
from convworks.inference.predictor import Predictor
from convworks.models.catalogue import Shape, create
from convworks.models.config import ModelConfig

CLASSES = ("ant", "bee", "Käfer")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    preprocessing = Preprocessing(size=(8, 8), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.25,) * 3)
    network = create("convnet_digits", Shape(classes=3, channels=3, size=(8, 8)))
    model = ModelConfig(name="convnet_digits")
    record = {"source": "insects"}
    save_bundle(
        tmp_path / "bundle",
        Bundle(network=network, model=model, preprocessing=preprocessing, classes=CLASSES, record=record),
    )
    return tmp_path / "bundle"


@pytest.fixture
def predictor(bundle: Path) -> Predictor:
    return convworks.load(bundle, precision="float32")


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)


def test_files_images_and_arrays_get_the_same_answer(predictor: Predictor, tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.png")
    images: list[str | Path | Image.Image | np.ndarray] = [
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        Image.fromarray(picture()),
        picture(),
    ]
    answers = predictor.predict(images, top=2)
    assert [answer["path"] for answer in answers] == [str(tmp_path / "a.png")] * 2 + [None, None]
    assert len({tuple(answer["probabilities"]) for answer in answers}) == 1
    assert all(len(answer["labels"]) == 2 and set(answer["labels"]) <= set(CLASSES) for answer in answers)


def test_probabilities_are_the_networks_softmax(predictor: Predictor) -> None:
    square = picture()[:8, :8]
    images = (torch.from_numpy(square.copy()).permute(2, 0, 1)[None] / 255 - 0.5) / 0.25
    with torch.no_grad():
        expected = predictor.trained(images).softmax(1)[0]
    (answer,) = predictor.predict([square], top=3)
    for label, probability in zip(answer["labels"], answer["probabilities"], strict=True):
        assert probability == pytest.approx(float(expected[CLASSES.index(label)]), abs=1e-5)
    assert answer["probabilities"] == sorted(answer["probabilities"], reverse=True)


def test_nothing_gives_nothing(predictor: Predictor) -> None:
    assert predictor.predict([]) == []


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4), np.float32), np.zeros((2, 2, 2, 2), np.uint8), np.zeros(3, np.uint8)]
)
def test_what_is_no_image_is_refused(predictor: Predictor, array: np.ndarray) -> None:
    with pytest.raises(InputError, match="is not an image"):
        predictor.predict([array])


def test_a_bundle_survives_the_disk(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.classes == CLASSES
    assert loaded.record == {"source": "insects"}
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert "ant, bee, Käfer" in card
    assert "not measured" in card


def test_labels_are_matched_by_name(predictor: Predictor, tmp_path: Path) -> None:
    for name in ("Käfer", "ant"):
        folder = tmp_path / "set" / "test" / name
        folder.mkdir(parents=True)
        Image.fromarray(picture()).save(folder / "0.png")
    outcome = predictor.outcome(tmp_path / "set")
    assert sorted(outcome.labels.tolist()) == [0, 2]
    (tmp_path / "set" / "test" / "ant").rename(tmp_path / "set" / "test" / "wasp")
    with pytest.raises(InputError, match="wasp"):
        predictor.outcome(tmp_path / "set")
