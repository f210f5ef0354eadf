"""Networks that make images, through whole runs: losses, figures, bundles, sources without labels."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import convworks
from convworks.config import override
from convworks.data.column import COLOURS, Arrays
from convworks.data.source import Source, Split
from convworks.data.sources.open import open_source
from convworks.errors import InputError
from convworks.losses.functions import pixel_cross_entropy, squared_error
from convworks.recipes import recipe
from convworks.training.run import train as run_training

NOISE = ["data.corruption.kind=salt_and_pepper", "data.corruption.rate=0.2"]


def train(out: Path, recipe: str = "autoencoder/fc", **options: Any) -> dict[str, Any]:
    arguments = {"data": "digits", "epochs": 2, "deterministic": True, **options}
    return convworks.train(recipe, out=out, **arguments)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return train(tmp_path_factory.mktemp("runs") / "noisy", overrides=NOISE)


def test_losses_are_their_formulas() -> None:
    reconstructions = torch.rand(3, 2, 4, 5) * 0.9 + 0.05
    images = torch.randint(0, 256, (3, 2, 4, 5), dtype=torch.uint8)
    y, x = reconstructions.double().numpy(), images.numpy() / 255
    assert float(squared_error(reconstructions, images)) == pytest.approx(((x - y) ** 2).mean(), rel=1e-6)
    entropy = -(x * np.log(y) + (1 - x) * np.log(1 - y)).mean()
    assert float(pixel_cross_entropy(reconstructions, images)) == pytest.approx(entropy, rel=1e-6)


def test_the_run_folder_tells_of_images(run: dict[str, Any]) -> None:
    folder = Path(run["run"])
    names = {path.name for path in folder.iterdir()}
    assert {"reconstructions.png", "worst.png", "curves.png", "predictions.csv", "report.html"} <= names
    assert not {"confusion.png", "errors.png"} & names
    page = (folder / "report.html").read_text()
    assert page.count("<image ") == 3 * 20 + 3 * 10 + 8  # and the charts of layers
    assert "salt-and-pepper noise, 20 % of the pixels" in page
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert {"train_mse", "validation_mse", "validation_psnr", "validation_loss"} <= set(rows[0])
    assert rows[1]["validation_loss"] < rows[0]["validation_loss"]


def test_figures_are_those_of_the_images(run: dict[str, Any]) -> None:
    """The bundle's evaluation repeats the run's; both are the errors of what `reconstruct` gives, up to rounding."""
    predictor = convworks.load(run["run"])
    assert predictor.evaluate("digits") == run["test"]
    with (Path(run["run"]) / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    errors = np.array([float(row["mse"]) for row in rows])
    assert len(rows) == run["test"]["n"]
    assert errors.mean() == pytest.approx(run["test"]["mse"], rel=1e-4)
    assert run["test"]["psnr"] == pytest.approx(-10 * math.log10(run["test"]["mse"]))
    clean = convworks.load(train_plain(Path(run["run"]).parent)["bundle"])
    inputs = open_source("digits").splits["test"].inputs
    assert isinstance(inputs, Arrays)
    images = inputs.values
    reconstructions = clean.reconstruct(list(images))
    squares = ((reconstructions / 255.0 - images / 255.0) ** 2).mean()
    assert squares == pytest.approx(clean.evaluate("digits")["mse"], rel=0.01)


def train_plain(folder: Path) -> dict[str, Any]:
    return train(folder / "plain", epochs=1)


def test_a_repeat_is_bit_exact_and_so_is_a_resumed_run(run: dict[str, Any], tmp_path: Path) -> None:
    from convworks.training.checkpoints.recorder import RunInterruptedError
    from convworks.training.events import Events
    from convworks.training.progress import Progress
    from convworks.training.setup import Setup

    class Stop(Events):
        def step_ended(self, setup: Setup, progress: Progress) -> None:
            if progress.step == setup.steps_per_epoch + 1:
                raise KeyboardInterrupt

    with pytest.raises(RunInterruptedError):
        train(tmp_path / "stopped", overrides=NOISE, events=(Stop(),))
    again = convworks.train(resume=tmp_path / "stopped")
    first_weights, second_weights = (
        load_file(Path(results["bundle"]) / "weights.safetensors") for results in (run, again)
    )
    assert all(torch.equal(first_weights[name], second_weights[name]) for name in first_weights)
    assert again["test"] == run["test"]


def test_a_folder_without_labels_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number, pixels in enumerate(load_digits().images[:40]):
        Image.fromarray((pixels * 15).astype(np.uint8)).save(tmp_path / "images" / f"{number}.png")
    results = train(tmp_path / "run", data=str(tmp_path / "images"), overrides=["training.batch_size=8"])
    assert results["validation"]["n"] == 4
    assert results["test"] is None
    assert convworks.load(results["bundle"]).evaluate(str(tmp_path / "images"))["n"] == 40
    (tmp_path / "images" / "one").mkdir()
    for name in list((tmp_path / "images").glob("*.png"))[:20]:
        name.rename(tmp_path / "images" / "one" / name.name)
    single_class = train(
        tmp_path / "one", data=str(tmp_path / "images"), epochs=1
    )  # a single class is no hindrance either
    assert single_class["validation"]["n"] == 2


def test_any_network_that_makes_images_trains_without_a_recipe(tmp_path: Path) -> None:
    results = convworks.train(data="digits", model="autoencoder_conv", epochs=1, out=tmp_path / "run")
    configuration = json.loads((tmp_path / "run" / "run.json").read_text())["configuration"]
    assert configuration["training"]["loss"] == {"kind": "squared_error"}
    assert (configuration["data"]["mean"], configuration["data"]["std"]) == ([0.0], [1.0])
    assert configuration["precision"] == "float32"
    assert 5 < results["test"]["psnr"] < 40


def test_the_code_spans_the_principal_components(tmp_path: Path) -> None:
    """Bourlard and Kamp 1988, through training: the principal angles to scikit-learn's components are small."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(36, 36)))[0]
    spread = np.array([0.5, 0.4, 0.35, *([0.03] * 33)])
    values = 0.5 + rng.normal(size=(600, 36)) * spread @ axes.T
    pixels = (255 * values.clip(0, 1)).round().astype(np.uint8).reshape(600, 6, 6, 1)
    names = tuple(f"{number:03d}" for number in range(600))
    parts = {"train": slice(0, 500), "validation": slice(500, 600)}
    splits = {
        name: Split(
            names=names[part], inputs=Arrays(pixels[part], COLOURS), targets=Arrays(np.full(part.stop - part.start, -1))
        )
        for name, part in parts.items()
    }
    source = Source(name="drawn", kind="arrays", path=None, classes=(), splits=splits)
    changes = [
        "data.mean=(0.5,)",
        "data.std=(1.0,)",
        "model.table.units=(3,)",
        "training.epochs=25",
        "training.optimizer.momentum=0.9",
    ]
    config = override(recipe("autoencoder/linear"), [*changes, "training.batch_size=50", "training.schedule.rate=4.0"])
    results = run_training(config, command="", out=tmp_path / "run", source=source)
    back = load_file(Path(results["bundle"]) / "weights.safetensors")["stages.decoder.layer1.linear.weight"]
    components = PCA(3).fit(pixels[:500].reshape(500, -1) / 255).components_
    cosines = np.linalg.svd(components @ np.linalg.qr(back.double().numpy())[0], compute_uv=False)
    assert np.degrees(np.arccos(cosines.clip(-1, 1))).max() < 1


BAD = {
    "classes' loss": (["training.loss.kind=cross_entropy"], "training.loss | outputs images | squared_error"),
    "classes' metric": (["training.best=top1"], "training.best | top1 | loss, mse, psnr"),
    "balanced": (["training.sampling=balanced"], "training.sampling | leave it out"),
    "sizes": (
        ["training.resolutions=[{'size': (4, 4), 'until': 0.5}]"],
        "training.resolutions | smaller than the images | leave them out",
    ),
    "bfloat16": (["precision=bfloat16"], "precision | logarithm | float32"),
    "a fold": (["data.fold={'number': 1, 'of': 3}"], "data.fold | labelled images"),
    "no layers to mirror": (["model.name=autoencoder_conv", "training.greedy=True"], "training.greedy | `decoder`"),
    "not a stack": (
        ["model.name=autoencoder_conv", "training.pretraining.epochs=1"],
        "training.pretraining | not a stack | autoencoder_fc_deep",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_defined_for_images_is_refused(name: str, tmp_path: Path) -> None:
    overrides, expected = BAD[name]
    with pytest.raises(InputError) as caught:
        train(tmp_path / "run", overrides=overrides)
    line = str(caught.value)
    assert "\n" not in line
    assert [word for word in expected.split(" | ") if word not in line] == [], line
    assert not (tmp_path / "run").exists()


def test_classifiers_compare_no_images(tmp_path: Path) -> None:
    for change, word in (
        ("training.loss.kind=squared_error", "compares images"),
        ("data.corruption={'kind': 'masking', 'rate': 0.1}", "autoencoders, but"),
        ("training.greedy=True", "autoencoders"),
    ):
        with pytest.raises(InputError, match=word):
            convworks.train(out=tmp_path / "run", overrides=[change])


def test_a_bundle_of_images_names_no_classes_and_one_of_classes_makes_no_images(
    run: dict[str, Any], tmp_path: Path
) -> None:
    pixels = np.zeros((8, 8), np.uint8)
    with pytest.raises(InputError, match="makes images"):
        convworks.load(run["bundle"]).predict([pixels])
    classes = convworks.train(data="digits", epochs=1, out=tmp_path / "classes")
    with pytest.raises(InputError, match="names classes"):
        convworks.load(classes["bundle"]).reconstruct([pixels])
