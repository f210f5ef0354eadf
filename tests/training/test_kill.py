"""A run that is killed at any moment and resumed ends as if nothing had happened, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from squares import write_squares
from thorough import repeats

KILLS, EPOCHS = repeats(1, 10), repeats(4, 8)
#: All that keeps a state or draws numbers.
EVERYTHING = [
    "training.ema=0.95",
    "training.accumulation=3",
    "training.clip.limit=1.0",
    "training.schedule={'kind': 'plateau', 'rate': 0.05, 'patience': 1}",
    "augment.cutmix=1.0",
]
TRAIN = ["--deterministic", "--epochs", str(EPOCHS), "--set", "training.checkpoint_seconds=0.02"]
#: Networks that draw numbers, and what is drawn for images: of digits, and of images with masks.
KINDS = {
    "digits": ["model.table={'dropout': 0.3}", "training.sampling=balanced", "augment.mixup=0.4"],
    "masks": [
        "model.table={'widths': [6, 12], 'normalisation': 'instance', 'dropout': 0.3}",
        "augment={'flip': True, 'elastic': {}, 'affine': {'rotate': 20}, 'border': 'reflect'}",
    ],
}


class Whole(NamedTuple):
    """A run that was not killed, the seconds from its first checkpoint to its end, and how it was started."""

    run: Path
    seconds: float
    words: list[str]


def start(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "convworks", "train", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


def outcome(run: Path) -> tuple[bytes, bytes, list[dict[str, float]]]:
    """Everything that a run computes: the bundle's weights, the last checkpoint with its momentum, the metrics."""
    last = max((run / "checkpoints").glob("*.safetensors"))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        del row["seconds"], row["images_per_second"]
    return (run / "bundle" / "weights.safetensors").read_bytes(), last.read_bytes(), rows


@pytest.fixture(scope="module")
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Run once without being killed."""
    folder, changes = tmp_path_factory.mktemp("whole"), [*KINDS[request.param], *EVERYTHING]
    words = [*TRAIN, *(word for each in changes for word in ("--set", each))]
    if request.param == "masks":
        words += ["--data", str(write_squares(folder / "squares", 60))]
    run = folder / "run"
    process = start("--out", run, *words)
    while not (run / "run.json").exists():
        assert process.poll() is None
        time.sleep(0.005)
    began = time.perf_counter()
    finish(process)
    return Whole(run, time.perf_counter() - began, words)


def kill_and_resume(run: Path, words: Sequence[str], delay: float) -> tuple[bytes, bytes, list[dict[str, float]]]:
    process = start("--out", run, *words)
    while not (run / "run.json").exists():
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.002)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if json.loads((run / "run.json").read_text())["status"] != "finished":
        finish(start("--resume", run))
    assert not [p for p in run.rglob("*") if ".partial" in p.name], "a temporary file stayed behind"
    return outcome(run)


@pytest.mark.parametrize(
    ("whole", "kills"),
    [
        ("digits", KILLS),
        pytest.param("digits", 50, marks=pytest.mark.slow),
        pytest.param("masks", 10, marks=pytest.mark.slow),
    ],
    indirect=["whole"],
)
def test_killed_runs_end_like_the_one_that_was_not(whole: Whole, kills: int, tmp_path: Path) -> None:
    moments = random.Random(2026 + kills)
    delays = [moments.uniform(0, 0.9 * whole.seconds) for _ in range(kills)]

    def killed(item: tuple[int, float]) -> tuple[bytes, bytes, list[dict[str, float]]]:
        return kill_and_resume(tmp_path / str(item[0]), whole.words, item[1])

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(killed, enumerate(delays)))
    expected = outcome(whole.run)
    assert [result == expected for result in results] == [True] * kills
