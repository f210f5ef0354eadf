"""`convworks data SOURCE --pack DIR`, and runs on what it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving import serving

from convworks.cli.main import run
from convworks.data.shards.pack import SIZE, pack

TRAIN = ("--model", "convnet_digits", "--device", "cpu", "--seed", "1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for number, kind in enumerate(("ants", "bees")):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for index in range(40):
            pixels = draw.integers(0, 200, (14, 12, 3), dtype=np.uint8) + np.uint8(50 * number)
            Image.fromarray(pixels).save(tmp_path / "set" / kind / f"{index}.png")
    return tmp_path / "set"


def metrics(path: Path) -> list[dict[str, Any]]:
    """Return the epochs of a run without what depends on the clock."""
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if "second" not in name} for row in rows]


def test_answers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "set", "--pack", "packed", "--shard-size", "30KB", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 80
    assert found["shards"] == len(list(Path("packed").glob("*.tar"))) > 2
    assert found["bytes"] == sum(path.stat().st_size for path in Path("packed").iterdir())
    assert max(path.stat().st_size for path in Path("packed").glob("*.tar")) <= 30_000
    assert run(["data", "packed"]) == 0
    out = capsys.readouterr().out
    assert "packed: shards, 2 classes" in out
    assert "damaged: 0" in out


@pytest.mark.parametrize(
    ("text", "size"), [("1GB", 10**9), ("1 gib", 2**30), ("0.5MB", 500_000), ("64KiB", 65_536), ("123", 123)]
)
def test_sizes(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    asked: list[int] = []

    def spied(*arguments: Any, shard_size: int = SIZE, report: Any = None) -> Any:
        asked.append(shard_size)
        return pack(*arguments, shard_size=shard_size)

    monkeypatch.setattr("convworks.cli.pack.pack", spied)
    assert run(["data", "set", "--pack", "packed", "--shard-size", text]) == 0
    assert asked == [size]


def test_training_is_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["data", "set", "--pack", "packed", "--shard-size", "30KB"]) == 0
    for source, name in (("set", "one"), ("packed", "two")):
        assert run(["train", "--data", source, "--epochs", "2", "--out", name, *TRAIN]) == 0
    assert metrics(Path("one")) == metrics(Path("two"))
    weights = [Path(name, "bundle", "weights.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
    with serving(Path.cwd(), monkeypatch) as server:
        assert run(["train", "--data", f"{server.address}/packed", "--epochs", "2", "--out", "three", *TRAIN]) == 0
        record = json.loads(Path("three", "run.json").read_text())
        assert record["configuration"]["data"]["source"] == f"{server.address}/packed"
        assert run(["train", "--resume", "three", "--epochs", "+1"]) == 0
    assert metrics(Path("three"))[:2] == metrics(Path("one"))


def test_a_run_goes_on_where_shards_have_taken_the_place_of_the_folder(folder: Path) -> None:
    assert run(["train", "--data", "set", "--epochs", "3", "--out", "whole", *TRAIN]) == 0
    assert run(["train", "--data", "set", "--epochs", "3", "--out", "run", *TRAIN]) == 0
    assert run(["data", "set", "--pack", "packed"]) == 0
    folder.rename("away")
    Path("packed").rename("set")
    for name in ("whole", "run"):
        assert run(["train", "--resume", name, "--epochs", "+1"]) == 0
    assert metrics(Path("run")) == metrics(Path("whole"))
    assert len(metrics(Path("run"))) == 4
