"""Time to accuracy: CIFAR-10 in minutes."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

from benchmarks.measure import Benchmark, Facts, Variant, data, last_line, program, script

PEER = "airbench94_muon in plain PyTorch, bfloat16, 8 epochs"


def cifar10_fast(workspace: Path) -> Benchmark:
    """Compare `convworks train cifar10/fast` with the method that it is based on; decoding is not timed in either.

    The time of convworks is that of training with validation after each epoch; the time of the whole run is among the
    facts.
    """
    folder = workspace / "cifar10"
    with tarfile.open(data() / "cifar10-jpeg.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return Benchmark(
        name="cifar10-fast",
        job="CIFAR-10 recompressed as JPEG: seconds of training, and the share of 10,000 test images that is right.",
        variants=(
            Variant(
                name="convworks train cifar10/fast",
                command=lambda seed: [program("convworks"), *_arguments(folder, workspace, seed)],
                read=_read,
            ),
            Variant(name=PEER, command=lambda seed: script("peers/plain_airbench94.py", folder, seed), read=last_line),
        ),
        yardstick=PEER,
        repeats=3,
        warm_up=False,
    )


def _arguments(folder: Path, workspace: Path, seed: int) -> list[str]:
    """Return the arguments of a run in a new folder."""
    run = workspace / "runs" / str(seed)
    shutil.rmtree(run, ignore_errors=True)
    return ["train", "cifar10/fast", "--data", str(folder), "--seed", str(seed), "--out", str(run), "--json"]


def _read(output: str) -> Facts:
    """Return the results of a run."""
    results = json.loads(output)
    rows = [json.loads(line) for line in (Path(results["run"]) / "metrics.jsonl").read_text().splitlines()]
    return {
        "seconds": float(rows[-1]["seconds"]),
        "one": float(results["test"]["top1"]),
        "whole_run": float(results["seconds"]),
    }
