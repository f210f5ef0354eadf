"""A hundred thousand links through `predict`: memory, kills, shards; a cluster."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from processes import begin, complete, environment, kill, one_thread
from ray_cluster import cluster
from small_bundles import small_bundle

from convworks.bundle.bundle import save_bundle

__all__ = ["cluster", "one_thread"]
pytestmark = pytest.mark.slow
MANY, FEW, FOLDERS, KILLS, SHARDS = 100_000, 1_000, 50, 10, 16
#: The command line, which then says how much memory it had at most, in KiB.
MEASURED = """
import resource, sys
from convworks.cli.main import run
status = run(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(status)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a bundle, and many and few links to 200 images, of which one is damaged."""
    root = tmp_path_factory.mktemp("scale")
    save_bundle(root / "bundle", small_bundle("convnet_digits", 8))
    (root / "images").mkdir()
    draw = np.random.default_rng(0)
    for number in range(200):
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(root / "images" / f"{number}.png")
    (root / "images" / "199.png").write_text("no image")
    for name, count in (("few", FEW), ("many", MANY)):
        for folder in range(FOLDERS):
            (root / name / str(folder)).mkdir(parents=True)
        for number in range(count):
            link = root / name / str(number % FOLDERS) / f"photograph-{number:06}.png"
            link.symlink_to(root / "images" / f"{number % 200}.png")
    return root


def words(place: Path, out: str, *more: object, images: str = "many") -> list[object]:
    options = ["--skip-damaged", "--precision", "float32"]
    return ["predict", place / "bundle", place / images, "--out", place / out, *options, *more]


@pytest.fixture(scope="module")
def seconds(place: Path) -> float:
    """Write all answers at once, as whole.csv, and say how long that took."""
    began = time.perf_counter()
    found = complete(*words(place, "whole.csv"))
    assert (found["rows"], found["failed"]) == (MANY, MANY // 200)
    return time.perf_counter() - began


@pytest.fixture(scope="module")
def whole(place: Path, seconds: float) -> bytes:
    return (place / "whole.csv").read_bytes()


def test_memory_does_not_grow(place: Path) -> None:
    peaks = {}
    for images in ("few", "many"):
        command = [sys.executable, "-c", MEASURED, *map(str, words(place, f"memory-{images}.csv", images=images))]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
        peaks[images] = int(done.stdout.split()[-1])
    print(f"peak: {peaks['few'] / 1024:.0f} MiB of {FEW:,}, {peaks['many'] / 1024:.0f} MiB of {MANY:,}")  # noqa: T201
    assert peaks["many"] <= 1.2 * peaks["few"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_killed_ten_times_it_is_the_same(suffix: str, place: Path, seconds: float, whole: bytes) -> None:
    out = f"killed.{suffix}"
    if suffix == "parquet":
        complete(*words(place, "whole.parquet"))
        whole = (place / "whole.parquet").read_bytes()
    draw = random.Random(suffix)
    for _ in range(KILLS):
        process = begin(*words(place, out, "--resume"))
        time.sleep(draw.uniform(0.05, 0.3) * seconds)
        if process.poll() is not None:
            break
        kill(process)
    if not (place / out).exists():
        found = complete(*words(place, out, "--resume"))
        assert found["rows"] == MANY
        print(f"the last of {KILLS + 1} runs found {found['resumed']:,} rows")  # noqa: T201
    assert (place / out).read_bytes() == whole
    assert not (place / f"{out}.unfinished").exists()


def test_sixteen_shards_are_the_whole(place: Path, whole: bytes) -> None:
    head = whole[: whole.index(b"\n") + 1]
    parts = []
    for number in range(1, SHARDS + 1):
        complete(*words(place, f"{number}.csv", "--shard", f"{number}/{SHARDS}"))
        parts.append((place / f"{number}.csv").read_bytes())
    assert max(map(len, parts)) < 1.1 * min(map(len, parts))
    assert head + b"".join(part.removeprefix(head) for part in parts) == whole


def test_a_cluster_writes_the_same(cluster: None, place: Path, whole: bytes) -> None:
    pytest.importorskip("ray")
    complete(*words(place, "ray.csv", "--workers", "ray"))
    assert (place / "ray.csv").read_bytes() == whole
    process = begin(*words(place, "killed-ray.csv", "--workers", "ray"))
    folder = place / "killed-ray.csv.unfinished"
    for _ in range(600):
        time.sleep(0.1)
        if (folder / "job.json").exists():
            break
    kill(process)
    found: dict[str, Any] = complete(*words(place, "killed-ray.csv", "--resume"))  # here, without the cluster
    assert found["resumed"] > 0
    assert (place / "killed-ray.csv").read_bytes() == whole
