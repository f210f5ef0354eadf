"""The recipes of the challenge's years: their numbers are the papers', and each trains on an ImageNet-shaped folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import convworks
from convworks.config import to_json
from convworks.errors import InputError
from convworks.models.catalogue import facts
from convworks.recipes import RECIPES, recipe
from convworks.training.config import RunConfig
from convworks.training.optimizers.config import SGD, RMSProp
from convworks.training.schedules.config import Exponential, Plateau

NAMES = [name for name in RECIPES if name.startswith("imagenet/")]
SYNSETS = ("n01494475", "n02012849", "n02123597", "n03710721")  # hammerhead, crane, Siamese cat, maillot
IMAGES = 1_281_167  # for training

# As the papers print it: batch, epochs, learning rate, weight decay, steps (where the paper counts these).
PRINTED: dict[str, tuple[int, int, float, float, int | None]] = {
    "alexnet": (128, 90, 0.01, 5e-4, None),
    "vgg_a": (256, 74, 0.01, 5e-4, 370_000),
    "vgg_d": (256, 74, 0.01, 5e-4, 370_000),
    "vgg_e": (256, 74, 0.01, 5e-4, 370_000),
    "googlenet": (32, 250, 0.01, 2e-4, 10_000_000),  # of the replication in Caffe
    "inception_v3": (32, 100, 0.045, 4e-5, None),
    **{f"resnet{depth}": (256, 120, 0.1, 1e-4, 600_000) for depth in (18, 34, 50, 101, 152)},
}
# Enough pixels for each network, and few: what a step takes on a processor.
SMALL = {"alexnet": 67, "googlenet": 64, "inception_v3": 75}
THIN = dict.fromkeys(("alexnet", "vgg_a", "vgg_d", "vgg_e"), "{'hidden': (64, 64)}")
LARGE = ("vgg_a", "vgg_d", "vgg_e", "inception_v3", "resnet34", "resnet50", "resnet101", "resnet152")
# After two steps the running statistics are those of the beginning: with full steps, a hundred layers then overflow.
GENTLE = dict.fromkeys(("resnet101", "resnet152"), "training.schedule.rate=0.001")


def test_every_printed_network_has_its_recipe() -> None:
    assert {name.partition("/")[2] for name in NAMES} == set(PRINTED)


@pytest.mark.parametrize("name", PRINTED)
def test_numbers_are_the_papers(name: str) -> None:
    config = recipe(f"imagenet/{name}")
    batch, epochs, rate, decay, steps = PRINTED[name]
    training = config.training
    numbers = (training.batch_size, training.epochs, training.schedule.rate, training.optimizer.weight_decay)
    assert numbers == (batch, epochs, rate, decay)
    assert (config.model.name, config.data.source, config.data.size) == (name, "imagenet", facts(name).shape.size)
    if steps is not None:
        assert training.epochs * IMAGES / training.batch_size == pytest.approx(steps, rel=0.01)
    assert config.augment.flip


@pytest.mark.parametrize("name", [name for name in PRINTED if name != "inception_v3"])
def test_momentum_is_the_classical_one(name: str) -> None:
    optimizer = recipe(f"imagenet/{name}").training.optimizer
    assert isinstance(optimizer, SGD)
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, False)
    assert (optimizer.decays == "all") == (name.startswith(("vgg", "resnet")))


@pytest.mark.parametrize("name", ["alexnet", "vgg_a", "vgg_d", "vgg_e", "resnet18", "resnet50", "resnet152"])
def test_a_plateau_of_accuracy_divides_by_ten_three_times(name: str) -> None:
    training = recipe(f"imagenet/{name}").training
    assert isinstance(training.schedule, Plateau)
    assert (training.schedule.factor, training.schedule.drops, training.best) == (0.1, 3, "top1")


def test_googlenet_lowers_by_four_percent_every_eight_epochs_and_averages() -> None:
    config = recipe("imagenet/googlenet")
    assert config.training.schedule == Exponential(rate=0.01, factor=0.96, epochs=8)
    assert config.training.ema is not None
    assert config.augment.crop == 0.08


def test_inception_v3_is_as_section_8_says() -> None:
    training = recipe("imagenet/inception_v3").training
    assert training.optimizer == RMSProp(smoothing=0.9, epsilon=1.0, weight_decay=4e-5)
    assert training.schedule == Exponential(rate=0.045, factor=0.94, epochs=2)
    assert to_json(training)["clip"] == {"kind": "global_norm", "limit": 2.0}
    assert to_json(training)["loss"]["smoothing"] == 0.1
    assert training.ema is not None


def test_alexnet_sees_centred_raw_pixels() -> None:
    data = recipe("imagenet/alexnet").data
    assert data.std is not None
    assert [value * 255 for value in data.std] == [1.0, 1.0, 1.0]
    assert data.mean is None  # measured on the training images


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a small ILSVRC2012 of photographs: four synsets, four images to train and two to validate each."""
    root = tmp_path_factory.mktemp("imagenet")
    words, solution = [], ["ImageId,PredictionString"]
    for number, synset in enumerate(SYNSETS):
        file = next((data / "photos").glob(f"{synset}_*.JPEG"))
        words.append(f"{synset} {file.stem.partition('_')[2].replace('_', ' ')}, a photograph")
        photo = Image.open(file).convert("RGB").resize((120, 100))
        (root / "train" / synset).mkdir(parents=True)
        (root / "val").mkdir(exist_ok=True)
        for index in range(6):
            part = photo.crop((4 * index, 2 * index, 4 * index + 96, 2 * index + 90))
            image = f"ILSVRC2012_val_{2 * number + index - 3:08d}"
            part.save(root / (f"train/{synset}/{synset}_{index}.JPEG" if index < 4 else f"val/{image}.JPEG"))
            solution += [f"{image},{synset} 1 2 3 4"] if index >= 4 else []
    (root / "LOC_synset_mapping.txt").write_text("\n".join(words))
    (root / "LOC_val_solution.csv").write_text("\n".join(solution))
    return root


def small(name: str, out: Path, folder: Path, *more: str) -> dict[str, Any]:
    """Train two steps of a recipe on few pixels, with small hidden layers."""
    side = SMALL.get(name, 64)
    sets = [f"data.size={side},{side}", "training.batch_size=8", "device='cpu'"]
    sets += [f"model.table={THIN[name]}"] if name in THIN else []
    sets += [GENTLE[name]] if name in GENTLE else []
    return convworks.train(f"imagenet/{name}", data=folder, epochs=1, out=out, overrides=[*sets, *more])


@pytest.fixture(scope="module")
def vgg_a(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return small("vgg_a", tmp_path_factory.mktemp("runs") / "vgg_a", folder)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in PRINTED]
)
def test_a_recipe_trains_on_an_imagenet_shaped_folder(
    name: str, folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    start = []
    if name in ("vgg_d", "vgg_e"):
        start = [f"model.start.path={request.getfixturevalue('vgg_a')['run']!r}"]
    results = request.getfixturevalue("vgg_a") if name == "vgg_a" else small(name, tmp_path / "run", folder, *start)
    run = Path(results["run"])
    (row,) = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    assert row["step"] == 2
    assert 0 < row["train_loss"] < 1e4
    assert results["validation"]["n"] == 8
    bundle = json.loads((run / "bundle" / "bundle.json").read_text())
    assert bundle["classes"] == ["hammerhead", "crane", "Siamese cat", "maillot"]


def test_d_without_a_says_what_it_needs(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        small("vgg_d", tmp_path / "run", folder)
    assert "model.start.path=RUN" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_every_recipe_says_what_it_differs_in() -> None:
    for name in NAMES:
        text = _docstring(name)
        assert f"`convworks train {name}" in text
        assert "Published" in text or "The paper's" in text
        assert "differs" in text or "As `imagenet/" in text


def _docstring(name: str) -> str:
    from convworks.recipes import imagenet

    return str(getattr(imagenet, name.partition("/")[2]).__doc__)


def test_no_configuration_is_shared() -> None:
    configs: list[RunConfig] = [recipe(name) for name in NAMES]
    assert len({config.model_dump_json() for config in configs}) == len(NAMES)
