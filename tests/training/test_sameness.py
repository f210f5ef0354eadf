"""What a network is given does not depend on who fetches it, how many share the work, or where the images are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from convworks.data.shards.pack import pack
from convworks.data.sources.folder import open_folder

COUNTS = {"train": 15, "val": 3}  # images a class
#: Prints, from the first of the processes that torchrun started, a digest of each whole batch of an epoch.
EPOCH = """
import hashlib, json, sys
import numpy as np
import torch
from convworks.config import build
from convworks.data.decode.load import load_images
from convworks.data.column import COLOURS, Arrays
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.source import Source, Split
from convworks.data.sources.open import open_source
from convworks.training.config import RunConfig
from convworks.training.progress import Progress
from convworks.training.run import prepare
from convworks.training.world import joined

KEPT = Preprocessing(size=(20, 24), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.25,) * 3)


def in_memory(source):
    splits = {}
    for name, split in source.splits.items():
        arrays = load_images(split, KEPT).permute(0, 2, 3, 1).numpy()
        names = tuple(map(str, range(len(arrays))))
        splits[name] = Split(names=names, inputs=Arrays(np.ascontiguousarray(arrays), COLOURS), targets=split.targets)
    return Source(name="arrays", kind="arrays", classes=source.classes, splits=splits, path=None)


def config(place, decode, workers):
    return build(RunConfig, {
        "recipe": "sameness",
        "precision": "float32",
        "data": {"source": place, "size": (16, 16), "stored": KEPT.size, "mean": KEPT.mean, "std": KEPT.std,
                 "decode": decode, "workers": workers},
        "augment": {"crop": 0.3, "flip": True, "cutout": 4, "mixup": 0.4, "cutmix": 1.0},
        "model": {"name": "resnet20"},
        "training": {"epochs": 5, "batch_size": 8, "schedule": {"kind": "constant", "rate": 0.01}},
    })


def digests(world, setup, batch):
    found = []
    for part in setup.batches(Progress(epoch=2, batch=batch)):
        mixed = [] if part.others is None else part.others.tolist()
        mine = (part.images.permute(0, 2, 3, 1).numpy().tobytes(), part.targets.tolist(), mixed)
        parts = [mine] * world.size
        if world.size > 1:
            torch.distributed.all_gather_object(parts, mine)
        images, *labels = zip(*parts)
        whole = hashlib.sha256(b"".join(images))
        whole.update(repr([[sum(each, []) for each in labels], part.weight, part.size]).encode())
        found.append(whole.hexdigest())
    return found


folder, shards = sys.argv[1:]
found = {}
with joined("cpu") as world:
    opened = {"folder": open_source(folder), "shards": open_source(shards)}
    opened["memory"] = in_memory(opened["folder"])
    for name, source in opened.items():
        for decode in ("once",) if name == "memory" else ("once", "always"):
            for workers in (0, 1, 2, 4):
                setup, _ = prepare(world, config(folder, decode, workers), source)
                for batch in (0, 3):
                    found[f"{name}, {decode}, {workers} workers, from batch {batch}"] = digests(world, setup, batch)
    if world.rank == 0:
        print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of noise, of several sizes."""
    root, rng = tmp_path_factory.mktemp("sameness") / "set", np.random.default_rng(0)
    for split, count in COUNTS.items():
        for label in "abc":
            (root / split / label).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (24 + number, 40 - number, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / label / f"{number}.jpg")
    return root


@pytest.fixture(scope="module")
def shards(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "shards"
    pack(open_folder(folder), path, shard_size=20_000)
    assert len(list(path.glob("train-*.tar"))) > 1
    return path


def batches_of(processes: int, folder: Path, shards: Path, script: Path) -> dict[str, list[str]]:
    script.write_text(EPOCH)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *launcher, str(script), str(folder), str(shards)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    batches: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return batches


@pytest.mark.slow
def test_batches_are_the_same_for_any_processes_workers_and_places(folder: Path, shards: Path, tmp_path: Path) -> None:
    digests_by_count = {count: batches_of(count, folder, shards, tmp_path / "epoch.py") for count in (1, 2, 4)}
    expected = digests_by_count[1]["folder, once, 0 workers, from batch 0"]
    assert len(set(expected)) == len(expected) == 6
    for count, digests in digests_by_count.items():
        assert len(digests) == 5 * 4 * 2
        for name, batches in digests.items():
            assert batches == (expected if name.endswith("batch 0") else expected[3:]), (count, name)


TRAIN = ["--model", "resnet20", "--deterministic", "--epochs", "3", "--set", "data.size=(16, 16)"]
VARIED = ["--set", "data.stored=(20, 24)", "--set", "augment.crop=0.3", "--set", "augment.mixup=0.4"]
OFTEN = ["--set", "training.batch_size=6", "--set", "training.checkpoint_seconds=0.02"]


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "convworks", "train", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def standing(run: Path) -> dict[str, Any]:
    """Return where the last checkpoint stands."""
    last = max((run / "checkpoints").glob("*.json"), default=None)
    state: dict[str, Any] = {} if last is None else json.loads(last.read_text())
    progress: dict[str, Any] = state.get("state", {}).get("progress", {})
    return progress


@pytest.mark.slow
@pytest.mark.parametrize(
    "decoding",
    [pytest.param(["data.decode=once"], marks=pytest.mark.slow), ["data.decode=always", "data.workers=2"]],
)
def test_a_run_on_shards_that_is_killed_within_an_epoch_ends_the_same(
    decoding: list[str], shards: Path, tmp_path: Path
) -> None:
    options = ["--data", shards, *TRAIN, *VARIED, *OFTEN, *(word for each in decoding for word in ("--set", each))]
    finish(start(*options, "--out", tmp_path / "whole"))
    killed = start(*options, "--out", tmp_path / "killed")
    until = time.monotonic() + 100
    while not standing(tmp_path / "killed").get("batch") and time.monotonic() < until:
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    state = standing(tmp_path / "killed")
    assert 0 < state["batch"] < 8
    assert state["epoch"] < 3
    finish(start("--resume", tmp_path / "killed"))
    whole, again = (
        load_file(max((tmp_path / name / "checkpoints").glob("*.safetensors"))) for name in ("whole", "killed")
    )
    assert whole.keys() == again.keys()
    assert all(bool((whole[name] == again[name]).all()) for name in whole)
    bundles = [(tmp_path / name / "bundle" / "weights.safetensors").read_bytes() for name in ("whole", "killed")]
    assert bundles[0] == bundles[1]
