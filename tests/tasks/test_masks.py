"""A task whose targets are masks is this file alone: batches, cache, shards and checkpoints carry them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import convworks
from convworks.cli.main import run
from convworks.csv_files import write_csv
from convworks.data.cache.store import entries
from convworks.data.column import Files, Spatial
from convworks.data.shards.pack import pack
from convworks.data.source import Source, Split
from convworks.data.sources.open import open_source
from convworks.data.split.folds import divide
from convworks.data.targets.target import Target
from convworks.metrics.spec import MetricSpec
from convworks.models.catalogue import Shape
from convworks.tasks.activations import IDENTITY
from convworks.tasks.outcome import Outcome
from convworks.tasks.registry import register
from convworks.tasks.sections import plain
from convworks.tasks.task import Answered, SplitContext, Sums, Task

IGNORED = 255
ACCURACY = MetricSpec(name="pixel_accuracy", title="pixel accuracy", interval=None)


def masked(source: Source, split: Split, classes: Sequence[str] = ()) -> Split:
    """Return a split whose targets are the masks beside the images; those of shards are there already."""
    if split.targets.spatial is not None:
        return split
    assert source.path is not None
    files = [source.path.parent / "masks" / Path(name).name for name in split.names]
    return replace(split, targets=Files(tuple(files), Spatial(nearest=True, fill=IGNORED)))


def read(source: Source) -> Source:
    splits = {name: masked(source, split) for name, split in source.splits.items()}
    return replace(source, classes=("ground", "square"), splits=splits)


def right(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the fraction of right pixels of each sample, without those to be ignored."""
    counted = targets != IGNORED
    return ((outputs.argmax(1) == targets) & counted).sum((1, 2)) / counted.sum((1, 2)).clamp(min=1)


class Meter:
    def __init__(self, classes: int, samples: int) -> None:
        self.samples, self.right = samples, torch.zeros((), dtype=torch.float64)

    def update(self, answered: Answered) -> None:
        assert answered.targets is not None
        self.right = self.right + right(answered.outputs, answered.targets).double().sum()

    def reduce(self, world: Sums) -> dict[str, float]:
        return {"pixel_accuracy": float(world.summed(self.right)) / self.samples}


@dataclass(frozen=True, kw_only=True)
class Masks:
    split: str
    names: tuple[str, ...]
    right: np.ndarray

    show = plain.show

    def summary(self) -> dict[str, Any]:
        return {"pixel_accuracy": float(self.right.mean()), "n": len(self.names)}

    def write_csv(self, path: Path) -> None:
        write_csv(path, ("path", "pixel_accuracy"), zip(self.names, self.right.tolist(), strict=True))


class Collector:
    def __init__(self, task: Task, context: SplitContext) -> None:
        self.context, self.parts = context, list[Tensor]()

    def update(self, answered: Answered) -> None:
        assert answered.targets is not None
        self.parts.append(right(answered.outputs, answered.targets).cpu())

    def outcome(self, again: Callable[[Sequence[int]], Iterator[Answered]]) -> Outcome:
        return Masks(split=self.context.name, names=self.context.split.names, right=torch.cat(self.parts).numpy())


SQUARES = Task(
    name="squares",
    does="finds squares",
    target=Target(read=read, divide=divide, match=masked),
    outputs=lambda classes, channels: len(classes),
    headline=ACCURACY,
    metrics=(ACCURACY,),
    score=ACCURACY,
    scored=right,
    activation=IDENTITY,
    meter=Meter,
    collector=Collector,
    answer=lambda path, output, classes, top: {"path": path, "squares": float((output[1] > output[0]).mean())},
    loss=lambda config, counts, own, samples: (
        lambda outputs, targets: F.cross_entropy(outputs, targets, ignore_index=IGNORED)
    ),
)


@convworks.network("tiny_map", channels=1, size=(16, 16), classes=2)
def tiny_map(shape: Shape) -> nn.Module:
    """Two convolutions at the size of the image."""
    return nn.Sequential(
        nn.Conv2d(shape.channels, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, shape.classes, 3, padding=1)
    )


@pytest.fixture
def squares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write images of light squares on darker ground, with their masks, and a table of the images."""
    monkeypatch.chdir(tmp_path)
    register(SQUARES)
    for folder in ("images", "masks"):
        Path(folder).mkdir()
    draw, rows = np.random.default_rng(0), ["path,label"]
    for number in range(40):
        mask = np.zeros((16, 12 + number % 8), np.uint8)
        y, x = draw.integers(0, 8, 2)
        mask[y : y + 6, x : x + 6] = 1
        pixels = draw.integers(0, 40, mask.shape) + 120 * mask + 40
        Image.fromarray(pixels.astype(np.uint8)).save(f"images/{number}.png")
        Image.fromarray(mask).save(f"masks/{number}.png")
        rows.append(f"images/{number}.png,{'ab'[number % 2]}")
    Path("squares.csv").write_text("\n".join(rows))
    return tmp_path


AUGMENT = "{'flip': True, 'shift': 2, 'affine': {'rotate': 20, 'scale': 0.2}, 'cutout': 3}"
SETTINGS = [f"augment={AUGMENT}", "task=squares", "data.size=16,16", "data.fit=letterbox", "training.batch_size=8"]
SETTINGS += ["training.schedule.rate=0.02", "precision=float32", "device=cpu"]
WORDS = ["--model", "tiny_map", "--deterministic", *(word for each in SETTINGS for word in ("--set", each))]


def test_masks_are_learnt_and_are_the_same_from_files_on_demand_cache_and_shards(
    squares: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(*arguments: str) -> Any:
        assert run([*arguments, "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    def weights(name: str) -> bytes:
        return (squares / name / "bundle" / "weights.safetensors").read_bytes()

    table = ["--data", "squares.csv", *WORDS]
    first = answer("train", "--epochs", "4", "--out", "first", *table)
    assert first["validation"]["pixel_accuracy"] > 0.95
    answer("train", "--epochs", "4", "--out", "always", *table, "--set", "data.decode=always")
    pack(read(open_source("squares.csv")), squares / "packed", shard_size=20_000)
    answer("train", "folder/default", "--epochs", "4", "--out", "shards", "--data", "packed", *WORDS)
    monkeypatch.setattr("convworks.data.cache.cached.MOST_FILES", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(squares / "cache"))
    monkeypatch.setenv("CONVWORKS_CACHE_LIMIT", "1GB")
    answer("train", "--epochs", "1", "--out", "caching", *table)
    assert [entry.shape for entry in entries()].count((36, 16, 16, 1)) == 2, "images and masks, each in an entry"
    answer("train", "--epochs", "4", "--out", "cached", *table)
    assert [weights(name) == weights("first") for name in ("always", "shards", "cached")] == [True] * 3
    for data in ("squares.csv", "packed"):
        assert answer("evaluate", "first", "--data", data)["pixel_accuracy"] > 0.95
    assert 0 < answer("predict", "first", "images/3.png")["predictions"][0]["squares"] < 0.5


def test_samples_with_damaged_masks_are_left_out(squares: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("masks/7.png").write_bytes(b"no image")
    words = ["train", "--epochs", "1", "--out", "run", "--data", "squares.csv", *WORDS]
    assert run(words) == 2
    assert "masks/7.png" in capsys.readouterr().err
    assert run([*words, "--set", "data.skip_damaged=0.1"]) == 0
    assert "skipped 1 damaged" in capsys.readouterr().err


def test_what_needs_labels_refuses_masks(squares: Path, any_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack(read(open_source("squares.csv")), squares / "packed", shard_size=20_000)
    bundle, data = str(any_run / "bundle"), ["--data", "packed"]
    few = ["--epochs", "1", "--device", "cpu"]
    for words in (
        ["train", *data, *few, "--model", "lenet5"],
        ["crossval", *data, *few, "--folds", "2", "--model", "lenet5"],
        ["lr-range", *data, "--device", "cpu", "--steps", "10", "--model", "lenet5"],
        ["evaluate", bundle, *data],
        ["compare", bundle, bundle, *data],
        ["probe", bundle, *data],
    ):
        assert run(words) == 2, words
        assert "packed: has images as targets, not labels; " in capsys.readouterr().err.splitlines()[-1], words
    assert run(["data", "packed"]) == 0
    described = capsys.readouterr().out
    assert "next: convworks train --data packed" in described
