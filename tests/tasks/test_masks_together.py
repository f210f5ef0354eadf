"""Mirror images, ensembles and experiments of networks that segment, against sums over what each says alone."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from once import once
from PIL import Image
from squares import write_squares
from trained_squares import SETTINGS, WORDS, place

import convworks
from convworks.cli.main import run
from convworks.inference.map_ensemble import MapEnsemble, in_step
from convworks.inference.strips import Strips

__all__ = ["place"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give ten squares as large as the input, and two networks that are still unsure, from two seeds."""

    def make(root: Path) -> None:
        write_squares(root / "pairs", 12)
        options: dict[str, Any] = {"data": root / "pairs", "epochs": 3, "device": "cpu", "overrides": SETTINGS}
        for seed in (0, 1):
            convworks.train(out=root / str(seed), seed=seed, **options)

    return once(tmp_path_factory.getbasetemp(), "two", make)


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    assert run([*map(str, words), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def maps(capsys: pytest.CaptureFixture[str], out: Path, *words: object) -> np.ndarray:
    """Return the probabilities of each image [n, k, h, w], and check that masks are their largest."""
    answer(capsys, "predict", *words, "--device", "cpu", "--out", out, "--probabilities")
    files = sorted(out.glob("*.npy"))
    for file in files:
        with Image.open(file.with_suffix(".png")) as mask:
            np.testing.assert_array_equal(np.asarray(mask), np.load(file).argmax(0))
    return np.stack([np.load(file) for file in files])


def test_mirror_images_count_half(pair: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, mirrored = pair / "pairs" / "images", tmp_path / "mirrored"
    mirrored.mkdir()
    for path in images.iterdir():
        with Image.open(path) as image:
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored / path.name)
    alone = maps(capsys, tmp_path / "alone", pair / "0", images)
    other = maps(capsys, tmp_path / "other", pair / "0", mirrored)
    both = maps(capsys, tmp_path / "both", pair / "0", images, "--protocol", "flip")
    assert abs(alone - other[..., ::-1]).max() > 0.01
    np.testing.assert_allclose(both, (alone + other[..., ::-1]) / 2, atol=1e-5)
    words = ["--data", pair / "pairs", "--protocol", "center,flip", "--device", "cpu"]
    measured = answer(capsys, "evaluate", pair / "0", *words)
    center, flip = measured["protocols"]
    for row, probabilities in ((center, alone), (flip, both)):
        assert row["pixel_accuracy"] == pytest.approx(right(pair, probabilities).mean())
    assert (center["views"], flip["views"]) == (1, 2)
    assert flip["macs"] == 2 * center["macs"]
    low, high = flip["difference_interval"]
    assert low <= flip["difference"] <= high
    assert run(["evaluate", str(pair / "0"), *map(str, words)]) == 0
    assert "points more" in capsys.readouterr().out


def right(pair: Path, probabilities: np.ndarray) -> np.ndarray:
    """Return which pixels are right, of images in the order of sorted names."""
    masks = [np.asarray(Image.open(path)) for path in sorted((pair / "pairs" / "masks").iterdir())]
    equal: np.ndarray = probabilities.argmax(1) == np.stack(masks)
    return equal


def test_networks_of_an_ensemble_are_averaged(pair: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = pair / "pairs" / "images"
    each = np.stack([maps(capsys, tmp_path / name, pair / name, images) for name in ("0", "1")])
    logits = np.log(each).mean(0)
    votes = (each.argmax(2)[:, :, None] == np.arange(2)[:, None, None]).mean(0)
    expected = {
        "probability": each.mean(0),
        "logit": np.exp(logits) / np.exp(logits).sum(1, keepdims=True),
        "vote": (2 * votes + each.mean(0) / 2) / 2.5,
    }
    for how, values in expected.items():
        words = [pair / "0", images, "--ensemble", pair / "1", "--combine", how]
        np.testing.assert_allclose(maps(capsys, tmp_path / how, *words), values, atol=1e-5)
        words = [pair / "0", pair / "1", "--data", pair / "pairs", "--device", "cpu", "--combine", how]
        measured = answer(capsys, "evaluate", *words)
        assert measured["pixel_accuracy"] == pytest.approx(right(pair, values).mean())
    out = tmp_path / "page"
    answer(capsys, "evaluate", pair / "0", pair / "1", "--data", pair / "pairs", "--device", "cpu", "--out", out)
    assert "worst.png" in {path.name for path in out.iterdir()}
    wrong = ["evaluate", pair / "0", pair / "1", "--data", pair / "pairs", "--protocol", "dense"]
    assert run([*map(str, wrong)]) == 2
    reason = "--protocol: dense averages answers for parts of an image, not for its pixels; choose center or flip"
    assert reason in capsys.readouterr().err


def test_an_ensemble_reads_large_images_some_rows_at_a_time(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mappers = []
    for name in ("0", "1"):
        predictor = convworks.load(pair / name, device="cpu")
        padded = predictor.bundle.preprocessing.model_copy(update={"fit": "pad"})
        mappers.append(replace(predictor.mapper, preprocessing=padded))
    several = MapEnsemble(members=(mappers[0], replace(mappers[1], mirrored=True)))
    pixels = np.random.default_rng(0).integers(0, 255, (600, 40), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    ((_, whole),) = several.each([tmp_path / "large.png"])
    assert isinstance(whole, Strips)
    numbers = whole.whole()
    monkeypatch.setattr("convworks.inference.maps.STREAMED", 100)
    assert several.streams(tmp_path / "large.png")
    with several.rows(tmp_path / "large.png") as strips:
        np.testing.assert_array_equal(strips.whole(), numbers)
    assert strips.size == (600, 40)


def test_strips_of_different_heights_are_read_in_step() -> None:
    rows = np.arange(10)
    cut = [[rows[:4], rows[4:8], rows[8:]], [rows[:3], rows[3:]], [rows]]
    steps = list(in_step([iter(each) for each in cut]))
    assert all(np.array_equal(step[0], other) for step in steps for other in step)
    np.testing.assert_array_equal(np.concatenate([step[0] for step in steps]), rows)


def test_networks_that_read_other_sizes_predict_together_but_are_not_evaluated(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = [each if not each.startswith("data.size") else "data.size=32,32" for each in SETTINGS]
    convworks.train(data=place / "pairs", out=tmp_path / "large", epochs=1, device="cpu", overrides=sizes)
    image = place / "pairs" / "images" / "1.png"
    together = maps(capsys, tmp_path / "both", place / "run", image, "--ensemble", tmp_path / "large")
    alone = [maps(capsys, tmp_path / f"of-{path.name}", path, image) for path in (place / "run", tmp_path / "large")]
    np.testing.assert_allclose(together, np.mean(alone, 0), atol=1e-5)
    assert run(["evaluate", str(place / "run"), str(tmp_path / "large"), "--data", str(place / "pairs")]) == 2
    error = capsys.readouterr().err
    assert "reads 32x32x1 (letterbox), the first network 16x16x1 (letterbox)" in error


def test_restarts_have_an_ensemble(pair: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "seeds"
    words = ["--data", pair / "pairs", "--epochs", "3", *WORDS]
    results = answer(capsys, "restarts", *words, "--runs", "2", "--out", out)
    scores = [each["validation"]["mean_iou"] for each in results["runs"]]
    assert results["validation"]["mean"] == pytest.approx(np.mean(scores))
    assert results["ensemble"]["validation"]["n"] == 2
    assert 'id="confusion"' in (out / "report.html").read_text()
    with (out / "validation.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    words = ["--data", pair / "pairs", "--split", "validation"]
    held_out = answer(capsys, "evaluate", *results["ensemble"]["bundles"], *words)
    assert held_out["mean_iou"] == results["ensemble"]["validation"]["mean_iou"]
    more = answer(capsys, "restarts", "--resume", out, "--runs", "3")
    assert [each["name"] for each in more["runs"]] == ["seed-0", "seed-1", "seed-2"]


def test_each_image_is_validated_by_the_network_of_its_fold(
    pair: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = sorted(path.name for path in (pair / "pairs" / "images").iterdir())
    rows = [f"pairs/images/{name},pairs/masks/{name},{number % 4}" for number, name in enumerate(names)]
    table, out = pair / "patients.csv", tmp_path / "folds"
    table.write_text("\n".join(["image,mask,patient", *rows]))
    words = ["--data", table, "--folds", "2", "--group-by", "patient", "--epochs", "2", "--out", out, *WORDS]
    results = answer(capsys, "crossval", *words)
    assert results["pooled"]["n"] == 12
    with (out / "folds.csv").open(newline="") as file:
        folds = {row["path"]: int(row["fold"]) for row in csv.DictReader(file)}
    assert len({(row.split(",")[2], folds[row.split(",")[0]]) for row in rows}) == 4  # a patient is in one fold
    with (out / "predictions.csv").open(newline="") as file:
        predicted = list(csv.DictReader(file))
    assert [row["path"] for row in predicted] == list(folds)
    for each in results["runs"]:
        measured = [float(row["pixel_accuracy"]) for row in predicted if folds[row["path"]] == each["fold"]]
        assert each["validation"]["pixel_accuracy"] == pytest.approx(np.mean(measured), abs=1e-5)  # of one size
    pixels = [sum(each["validation"]["classes"][name]["pixels"] for each in results["runs"]) for name in "01"]
    assert [results["pooled"]["classes"][name]["pixels"] for name in "01"] == pixels
    assert "stratified" not in (out / "report.html").read_text().split("Configuration")[0]


@pytest.mark.slow
def test_learning_rates_are_searched(pair: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    out = tmp_path / "trials"
    words = ["--data", pair / "pairs", "--epochs", "1", "--out", out, *WORDS]
    results = answer(capsys, "tune", "--trials", "2", *words)
    assert (results["metric"], len(results["trials"])) == ("mean_iou", 2)
    assert results["best"]["value"] == max(row["value"] for row in results["trials"] if row["value"] is not None)
    assert len(answer(capsys, "tune", "--resume", out, "--trials", "3")["trials"]) == 3
