"""A run that is killed at any moment and resumed ends as if nothing had happened, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from thorough import repeats

KILLS, EPOCHS = repeats(1, 10), repeats(4, 8)
#: All that keeps a state or draws numbers.
EVERYTHING = [
    "training.ema=0.95",
    "training.accumulation=3",
    "training.clip.limit=1.0",
    "training.sampling=balanced",
    "training.schedule={'kind': 'plateau', 'rate': 0.05, 'patience': 1}",
    "augment.mixup=0.4",
    "augment.cutmix=1.0",
]
TRAIN = ["--deterministic", "--epochs", str(EPOCHS), "--set", "training.checkpoint_seconds=0.02"]
OPTIONS = ["--set", "model.table={'dropout': 0.3}", *(word for each in EVERYTHING for word in ("--set", each))]


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
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Run once without being killed; give the run and the seconds from its first checkpoint to its end."""
    run = tmp_path_factory.mktemp("whole") / "run"
    process = start("--out", run, *TRAIN, *OPTIONS)
    while not (run / "run.json").exists():
        assert process.poll() is None
        time.sleep(0.005)
    began = time.perf_counter()
    finish(process)
    return run, time.perf_counter() - began


def kill_and_resume(run: Path, delay: float) -> tuple[bytes, bytes, list[dict[str, float]]]:
    process = start("--out", run, *TRAIN, *OPTIONS)
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


@pytest.mark.parametrize("kills", [KILLS, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_runs_end_like_the_one_that_was_not(kills: int, whole: tuple[Path, float], tmp_path: Path) -> None:
    run, seconds = whole
    moments = random.Random(2026 + kills)
    delays = [moments.uniform(0, 0.9 * seconds) for _ in range(kills)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda item: kill_and_resume(tmp_path / str(item[0]), item[1]), enumerate(delays)))
    expected = outcome(run)
    assert [result == expected for result in results] == [True] * kills
