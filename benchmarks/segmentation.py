"""Mean IoU of `convworks train --data PAIRS` on CamVid against other libraries that train for the same time."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

from benchmarks.measure import Benchmark, Facts, Variant, last_line, program, script
from benchmarks.unet import scenes

CONVWORKS = "convworks train segmentation/default"
PEERS = {
    "segmentation_models.pytorch: Unet, resnet18, Dice and cross-entropy, AdamW": "smp_unet.py",
    "torchvision's recipe: fcn_resnet50, SGD": "torchvision_fcn.py",
}
SECONDS = "seconds"


def segmentation(name: str, epochs: int | None, workspace: Path) -> Benchmark:
    """Train from random weights and test; peers get the training time of the last run of convworks."""
    root = scenes(workspace)
    return Benchmark(
        name=name,
        job="CamVid at 180x240, 11 classes, trained from random weights for the same time, then tested.",
        variants=(
            Variant(
                name=CONVWORKS if epochs is None else f"{CONVWORKS} --epochs {epochs}",
                command=partial(_convworks, workspace, root, epochs),
                read=partial(_read, workspace),
            ),
            *(
                Variant(name=title, command=partial(_peer, workspace, root, path), read=last_line)
                for title, path in PEERS.items()
            ),
        ),
        yardstick=next(iter(PEERS)),
        repeats=3,
        score="test_mean_iou",
        warm_up=False,
    )


def _convworks(workspace: Path, root: Path, epochs: int | None, seed: int) -> list[str]:
    run = workspace / "runs" / str(seed)
    shutil.rmtree(run, ignore_errors=True)
    words = ["--data", root, "--set", "data.ignore=11", "--seed", seed, "--out", run, "--json"]
    words += [] if epochs is None else ["--epochs", epochs]
    return [program("convworks"), "train", *map(str, words)]


def _read(workspace: Path, output: str) -> Facts:
    """Return the results of a run; its time is that of its epochs including validation, as for the peers."""
    results = json.loads(output)
    lines = (Path(results["run"]) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    seconds = float(json.loads(lines[-1])["seconds"])
    (workspace / SECONDS).write_text(str(seconds), encoding="utf-8")
    test = results["test"]
    return {
        "test_mean_iou": float(test["mean_iou"]),
        "pixel_accuracy": float(test["pixel_accuracy"]),
        "epochs": float(len(lines)),
        "seconds": seconds,
    }


def _peer(workspace: Path, root: Path, path: str, seed: int) -> list[str]:
    seconds = (workspace / SECONDS).read_text(encoding="utf-8")
    return script(f"peers/{path}", root, "--seconds", seconds, "--seed", seed)


SEGMENTATION = {
    "segmentation": partial(segmentation, "segmentation", None),
    "segmentation-short": partial(segmentation, "segmentation-short", 8),
}
