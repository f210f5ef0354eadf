"""A task of one's own, counting the squares in an image, is this file alone: everything else knows what to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import convworks
from convworks.cli.main import run
from convworks.csv_files import write_csv
from convworks.data.source import Source, Split
from convworks.data.split.folds import divide
from convworks.data.targets.target import Target
from convworks.metrics.spec import MetricSpec
from convworks.tasks.activations import IDENTITY
from convworks.tasks.kept import Kept, KeptValues
from convworks.tasks.registry import register
from convworks.tasks.task import Answered, Sums, Task, Words

MAE = MetricSpec(name="mae", title="mean absolute error", unit="number", better="lower", interval=None)


def counted(source: Source, split: Split, classes: Sequence[str] = ()) -> Split:
    return split.with_labels(np.array([float(source.classes[label]) for label in split.labels], np.float32))


def read(source: Source) -> Source:
    return replace(source, classes=(), splits={name: counted(source, split) for name, split in source.splits.items()})


def errors(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs[:, 0] - targets).abs()


class Meter:
    def __init__(self, classes: int, samples: int) -> None:
        self.samples, self.error = samples, torch.zeros((), dtype=torch.float64)

    def update(self, answered: Answered) -> None:
        assert answered.targets is not None
        self.error = self.error + errors(answered.outputs, answered.targets).double().sum()

    def reduce(self, world: Sums) -> dict[str, float]:
        return {"mae": float(world.summed(self.error)) / self.samples}


class Counts(KeptValues):
    def summary(self) -> dict[str, Any]:
        return {"mae": float(abs(self.values[:, 0] - self.targets).mean()), "n": len(self.names)}

    def write_csv(self, path: Path) -> None:
        rows = zip(self.names, self.targets.tolist(), self.values[:, 0].tolist(), strict=True)
        write_csv(path, ("path", "count", "predicted"), rows)


COUNTING = Task(
    name="counting",
    does="counts squares",
    target=Target(read=read, divide=divide, collate=lambda split: torch.from_numpy(split.labels), match=counted),
    outputs=lambda classes, channels: 1,
    headline=MAE,
    metrics=(MAE,),
    score=MAE,
    scored=errors,
    activation=IDENTITY,
    meter=Meter,
    collector=Kept,
    outcome=Counts.of,
    answer=lambda path, output, classes, top: {"path": path, "count": float(output[0])},
    words=Words(what=lambda classes, result: "It counts squares"),
    loss=lambda config, counts, own, samples: lambda outputs, targets: (outputs[:, 0] - targets).square().mean(),
)


def test_it_trains_resumes_is_evaluated_predicts_is_bundled_reported_cross_validated_and_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    register(COUNTING)
    draw, rows = np.random.default_rng(0), ["path,label"]
    for number in range(60):
        pixels = np.zeros((16, 16), np.uint8)
        for place in draw.permutation(16)[: number % 4].tolist():
            pixels[place // 4 * 4 + 1 :, place % 4 * 4 + 1 :][:2, :2] = 255
        Image.fromarray(pixels).save(f"{number}.png")
        rows.append(f"{number}.png,{number % 4}")
    Path("squares.csv").write_text("\n".join(rows))
    settings = ["task=counting", "training.schedule.rate=0.005", "augment={}", "data.size=16,16"]
    words = ["--data", "squares.csv", "--model", "convnet_digits", *(x for each in settings for x in ("--set", each))]

    def answer(*arguments: str) -> Any:
        assert run([*arguments, "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    first = answer("train", "--epochs", "12", "--out", "run", *words)
    assert first["validation"]["mae"] < 0.9  # always 1.5 would be off by 1
    assert answer("train", "--resume", "run", "--epochs", "+2")["epochs"] == 14
    assert answer("evaluate", "run", "--data", "squares.csv", "--out", "page")["mae"] < 0.9
    assert "Mean absolute error" in (tmp_path / "page" / "report.html").read_text()
    assert 2 < answer("predict", "run", "3.png")["predictions"][0]["count"] < 4
    assert answer("predict", "run", "3.png", "--out", "answers.csv")["rows"] == 1
    assert Path("answers.csv").read_text().startswith("path,count,error\n3.png,")
    assert convworks.load("run").task is COUNTING
    assert "It counts squares" in (tmp_path / "run" / "bundle" / "README.md").read_text()
    pooled = answer("crossval", "--folds", "2", "--epochs", "2", "--out", "folds", *words)["pooled"]
    assert (pooled["n"], pooled["mae"] > 0) == (60, True)
    assert answer("restarts", "--runs", "2", "--epochs", "1", "--out", "seeds", *words)["ensemble"]
    assert answer("tune", "--trials", "2", "--epochs", "1", "--out", "trials", *words)["best"]
