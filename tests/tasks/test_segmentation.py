"""Segmentation from pairs of images and masks to mask files, and what its metrics count."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from squares import write_squares
from torch import Tensor, nn
from trained_squares import SETTINGS, WORDS, place

import convworks
from convworks.bundle.bundle import load_bundle
from convworks.cli.main import run
from convworks.data.column import IGNORED
from convworks.layers.cut import end_of_encoder
from convworks.layers.network import Network
from convworks.losses.pixels import centred
from convworks.metrics import segmentation as metrics
from convworks.models.catalogue import Shape
from convworks.tasks.segmentation import SEGMENTATION, PixelMeter
from convworks.tasks.task import Answered
from convworks.training.world import ALONE

__all__ = ["place"]


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    assert run([*map(str, words), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def test_squares_are_learnt_and_measured(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads((place / "run" / "run.json").read_text())
    result = record["results"]["validation"]
    assert record["configuration"]["recipe"] == "segmentation/default"
    assert record["configuration"]["data"]["fit"] == "letterbox"
    assert result["mean_iou"] > 0.9
    assert result["pixel_error"] == pytest.approx(1 - result["pixel_accuracy"])
    low, high = result["intervals"]["mean_iou"]
    assert low <= result["mean_iou"] <= high <= 1
    assert set(result["classes"]) == {"0", "255"}
    out = tmp_path / "errors"
    measured = answer(capsys, "evaluate", place / "run", "--data", place / "pairs", "--out", out)
    assert (measured["n"], measured["counted"]) == (40, 2)
    with (out / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert all(0 <= float(row["mean_iou"]) <= 1 and float(row["iou:255"]) <= 1 for row in rows)
    page = (out / "report.html").read_text()
    assert all(f'id="{anchor}"' in page for anchor in ("classes", "confusion", "calibration", "typical", "worst"))
    assert "Calibration error" in page
    assert measured["ece"] == pytest.approx(convworks.load(place / "run").outcome(place / "pairs").calibration.error)
    assert {"confusion.png", "typical.png", "worst.png"} <= {path.name for path in out.iterdir()}
    card = (place / "run" / "bundle" / "README.md").read_text()
    assert "segments images into 2 classes" in card
    assert "mean IoU" in card


def test_masks_are_written_at_the_size_of_their_images(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [place / "pairs" / "images" / f"{number}.png" for number in range(6)]
    out = tmp_path / "masks"
    words = ["predict", place / "run", *images, "--out", out, "--objects", "--probabilities"]
    answered = answer(capsys, *words)["predictions"]
    right = []
    for path, row in zip(images, answered, strict=True):
        mask = opened(out / path.name)
        assert mask.mode == "P"
        numbers, expected = np.asarray(mask), np.asarray(opened(place / "pairs" / "masks" / path.name)) // 255
        assert numbers.shape == expected.shape
        right.append((numbers == expected).mean())
        probabilities = np.load(out / f"{path.stem}.npy")
        assert probabilities.shape == (2, *numbers.shape)
        np.testing.assert_array_equal(probabilities.argmax(0), numbers)
        np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-5)
        shown = opened(out / f"{path.stem}-overlay.jpg")
        assert shown.width >= mask.width
        assert shown.height > mask.height, "with the names of classes below"
        largest = row["objects"][0]
        assert largest["class"] == "255"
        y, x = np.argwhere(numbers == 1).mean(0)
        if len(row["objects"]) == 1:
            assert (largest["area"], largest["x"], largest["y"]) == (
                int(numbers.sum()),
                pytest.approx(x, abs=0.01),
                pytest.approx(y, abs=0.01),
            )
    assert np.mean(right) > 0.95
    with (out / "areas.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["0", "255"] * 6
    assert sum(float(row["fraction"]) for row in rows) == pytest.approx(6)
    predictor = convworks.load(place / "run")
    single = predictor.predict(images[1])
    np.testing.assert_array_equal(single["mask"], np.asarray(opened(out / images[1].name)))
    assert single["labels"][0] == "0"
    assert single["areas"] == pytest.approx(answered[1]["areas"])
    assert run(["predict", str(place / "run"), str(images[0])]) == 0
    assert "--out masks" in capsys.readouterr().out
    assert run([*map(str, words)]) == 2
    assert "already exists" in capsys.readouterr().err
    for wrong, reason in (
        (["--out", "masks.csv"], "--out masks.csv: is named like a table"),
        (["--out", "m", "--shard", "1/2"], "--shard: is for answers in a table"),
        (["--objects"], "--objects: needs a folder for the masks; add --out DIR"),
        (["--out", "m", "--protocol", "ten-crop"], "--protocol: ten-crop averages answers for parts of an image, not"),
    ):
        assert run(["predict", str(place / "run"), str(images[0]), *wrong]) == 2
        assert reason in capsys.readouterr().err


def test_larger_images_are_segmented_tile_by_tile(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = convworks.load(place / "run")
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30), np.uint8)
    whole = predictor.predict(pixels)["mask"]
    assert whole.shape == (40, 30)
    unscaled = replace(predictor, bundle=with_fit(predictor.bundle, "pad"))
    tiled = unscaled.predict(pixels)["mask"]
    with torch.inference_mode():
        inputs = predictor.input.normalise(torch.from_numpy(pixels)[None, None])
        expected = predictor.trained(inputs).argmax(1)[0].numpy()
    np.testing.assert_array_equal(tiled, expected)
    small = unscaled.predict(pixels[:9, :12])["mask"]
    assert small.shape == (9, 12)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    monkeypatch.setattr("convworks.inference.maps.STREAMED", 100)
    assert unscaled.mapper.streams(tmp_path / "large.png")
    with unscaled.mapper.rows(tmp_path / "large.png") as strips:
        np.testing.assert_array_equal(strips.whole(), expected)
    assert strips.size == (40, 30)


def with_fit(bundle: Any, fit: str) -> Any:
    return replace(bundle, preprocessing=bundle.preprocessing.model_copy(update={"fit": fit}))


def test_classifiers_become_networks_for_masks_and_these_are_trained_on(
    place: Path, any_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--data", place / "pairs", "--epochs", "1", "--device", "cpu"]
    answer(capsys, "transfer", any_run, *few, "--head", "unet", "--out", tmp_path / "new")
    kept = answer(capsys, "transfer", place / "run", *few, "--head", "keep", "--out", tmp_path / "kept")
    assert kept["validation"]["mean_iou"] > 0.8
    words = ["compare", tmp_path / "new", tmp_path / "kept", "--data", place / "pairs", "--out", tmp_path / "pair"]
    compared = answer(capsys, *words)
    assert compared["n"] == compared["first_better"] + compared["second_better"] + compared["equal"] == 40
    assert compared["difference"] > 0
    low, high = compared["difference_interval"]
    assert low < compared["difference"] < high
    assert "Wilcoxon" in (tmp_path / "pair" / "compare.html").read_text()
    assert len((tmp_path / "pair" / "compare.csv").read_text().splitlines()) == 41


def test_a_frozen_encoder_stays_the_same_bit_for_bit(place: Path, any_run: Path, tmp_path: Path) -> None:
    classifier = load_bundle(any_run / "bundle").network
    assert isinstance(classifier, Network)
    cut, out = end_of_encoder(classifier), tmp_path / "run"
    few: dict[str, Any] = {"data": place / "pairs", "epochs": 2, "device": "cpu", "out": out, "head": "unet"}
    convworks.transfer(any_run, freeze=cut, overrides=["training.ema=0.9"], **few)
    before, after = (load_file(run / "bundle" / "weights.safetensors") for run in (any_run, out))
    kept = set(after) & {name for name in before if not name.startswith("head.")}
    assert {name.rpartition(".")[2] for name in kept} >= {"weight", "running_mean", "running_var"}
    assert [name for name in kept if not torch.equal(after[name], before[name])] == []
    new = {name: value for name, value in after.items() if "decoder" in name and "running_mean" in name}
    assert new
    assert all(value.any() for value in new.values()), "statistics of the decoder are learnt"


def answered(outputs: Tensor, targets: Tensor) -> Answered:
    return Answered(indices=np.arange(len(outputs)), inputs=outputs, read=outputs, outputs=outputs, targets=targets)


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_metrics_are_the_same_for_any_batches_and_processes(parts: int) -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(10, 3, 8, 8, generator=generator)
    targets = torch.randint(0, 3, (10, 8, 8), generator=generator)
    targets[torch.rand(10, 8, 8, generator=generator) < 0.2] = IGNORED
    meters = [PixelMeter(3, 10) for _ in range(parts)]
    for meter, *pair in zip(meters, outputs.tensor_split(parts), targets.tensor_split(parts), strict=True):
        for one in zip(*pair, strict=True):
            meter.update(answered(one[0][None], one[1][None]))

    class World:
        def summed(self, values: Tensor) -> Tensor:
            return torch.stack([meter.matrix for meter in meters if meter.matrix is not None]).sum(0).double()

    whole = PixelMeter(3, 10)
    whole.update(answered(outputs, targets))
    assert meters[0].reduce(World()) == whole.reduce(ALONE)
    mask = targets.numpy().astype(np.uint8).reshape(80, 8)
    matrix = metrics.confusion(mask, outputs.argmax(1).numpy().astype(np.uint8).reshape(80, 8), 3)
    assert whole.reduce(ALONE)["mean_iou"] == float(metrics.mean(metrics.iou(metrics.overlap(matrix))))


@convworks.network("valid_map", channels=1, size=(16, 16), classes=2, makes="map of logits")
def valid_map(shape: Shape) -> nn.Module:
    """Two convolutions without padding: scores for the centre."""
    return nn.Sequential(nn.Conv2d(shape.channels, 8, 5), nn.ReLU(), nn.Conv2d(8, shape.classes, 3))


def test_a_network_that_scores_the_centre_is_compared_with_the_centre(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = torch.arange(100).reshape(1, 10, 10)
    np.testing.assert_array_equal(centred(targets, torch.zeros(1, 2, 4, 6))[0], targets[0, 3:7, 2:8])
    words = ["--data", place / "pairs", "--model", "valid_map", "--epochs", "12", "--out", tmp_path / "run", *WORDS[:2]]
    changes = ["model.table={}", *SETTINGS[1:], "training.schedule.rate=0.02"]
    trained = answer(capsys, "train", *words, *(word for each in changes for word in ("--set", each)))
    assert trained["validation"]["mean_iou"] > 0.7
    counted = sum(each["pixels"] for each in trained["validation"]["classes"].values())
    assert counted <= 8 * 10 * 10


def test_masks_shrink_with_their_images(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--data", place / "pairs", "--epochs", "10", "--out", tmp_path / "run", *WORDS]
    resized = answer(capsys, *words, "--set", "training.resolutions=[{'size': [12, 12], 'until': 0.5}]")
    assert resized["validation"]["mean_iou"] > 0.6


def test_an_ignored_class_counts_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_squares(tmp_path / "pairs", 20)
    for path in (root / "masks").iterdir():
        mask = np.array(opened(path))
        mask[:4] = 2
        Image.fromarray(mask).save(path)
    words = ["--data", root, "--epochs", "2", "--out", tmp_path / "run", "--set", "data.ignore=2", *WORDS]
    assert set(answer(capsys, "train", *words)["validation"]["classes"]) == {"0", "1"}
    measured = answer(capsys, "evaluate", tmp_path / "run", "--data", root)
    assert sum(each["pixels"] for each in measured["classes"].values()) == 20 * 16 * 12


def test_all_losses_of_the_task_are_those_of_the_counted_pixels() -> None:
    from convworks.losses.config import CrossEntropy

    loss = SEGMENTATION.loss(CrossEntropy(), torch.ones(2, dtype=torch.int64), None, 4)
    outputs = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.ones(2, 8, 8, dtype=torch.int64)
    targets[:, :3] = IGNORED
    expected = -outputs.log_softmax(1)[:, 1, 1:].mean()
    assert float(loss(outputs, targets)) == pytest.approx(float(expected), rel=1e-5)
