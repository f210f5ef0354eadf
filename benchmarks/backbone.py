"""Whether a small network trained on CIFAR-10 is a better start for few images than random weights.

    python -m benchmarks.backbone FOLDER --out DIR      # FOLDER/{train,test}/CLASS, as CIFAR-10

Two networks are trained first, those that `convworks train --data` uses: convnet_photo on all classes, enlarged to 64
pixels, for photographs and textures; convnet_color on the five classes that the fifty images do not have. Then the sets
of folder_sets.py are trained by `convworks train --data` for its own epochs, from random weights and from these, so
that both take the same time. Every run is a line of OUT/runs.jsonl; what is there already is not done again. The test
images are measured once a run and choose nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import convworks
from benchmarks.folder_sets import FIVE, SETS
from benchmarks.transfer import link_subset
from convworks.config import assignment

#: Classes of CIFAR-10 that the fifty images do not have.
OTHERS = ("dog", "frog", "horse", "ship", "truck")


class Backbone(NamedTuple):
    """A network, the classes of CIFAR-10 that it is trained on, and how, where it differs from folder/default."""

    model: str
    classes: tuple[str, ...]
    changes: tuple[str, ...]


#: Without label smoothing, which makes features worse for other classes (Kornblith et al. 2021).
SHARP = "training.loss.smoothing=0"
BACKBONES = {
    "photo": Backbone("convnet_photo", (*FIVE, *OTHERS), ("data.size=(64, 64)", "training.epochs=3", SHARP)),
    "icon": Backbone("convnet_color", OTHERS, ("training.epochs=6", SHARP)),
}
#: The backbone of each set.
USED = {"hymenoptera": "photo", "membrane": "photo", "fifty": "icon"}

LAYERS = ["stem", "stage1", "stage2", "stage3", "stage4", "stage5"]
#: The optimizer, rate and depth decay of `convworks transfer`.
FINE = ["training.optimizer.kind=adamw", "training.schedule.rate=2e-3", "training.depth_decay=0.4"]
METHODS: dict[str, list[str] | None] = {"random": None, "backbone": [], "backbone, rates of transfer": FINE}


def train_backbone(name: str, folder: Path, out: Path) -> Path:
    """Train a backbone on FOLDER unless it is there; return its run."""
    run, backbone = out / "backbones" / name, BACKBONES[name]
    if not (run / "bundle" / "bundle.json").exists():
        data = link_subset(folder, backbone.classes, out / "data" / f"cifar-{name}", None)
        results = convworks.train(data=data, model=backbone.model, out=run, seed=0, overrides=backbone.changes)
        print(
            f"{name}: {results['test']['top1']:.4f} of {results['test']['n']}, {results['seconds']:.0f} s", flush=True
        )
    return run


def measure(out: Path, name: str, method: str, seed: int, backbone: Path) -> dict[str, Any]:
    """Train on a set and return the results of the run."""
    images = out / "data" / name
    if not images.exists():
        SETS[name](images)
    run = out / "runs" / f"{name}-{method.replace(', ', '-').replace(' ', '-')}-{seed}"
    changes, overrides = METHODS[method], list[str]()
    if changes is not None:
        start = assignment("model.start", {"path": str(backbone), "layers": LAYERS})
        grey = ["data.channels=3"] if name == "membrane" else []
        overrides = [start, *grey, *changes]
    began = time.perf_counter()
    results = convworks.train(data=images, seed=seed, out=run, overrides=overrides)
    return {
        "set": name,
        "method": method,
        "seed": seed,
        "top1": results["test"]["top1"],
        "n": results["test"]["n"],
        "validation": results["validation"]["top1"],
        "epochs": results["epochs"],
        "seconds": round(time.perf_counter() - began, 1),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Tabulate test accuracy, mean and standard deviation over the seeds."""
    lines = ["| set | " + " | ".join(METHODS) + " |", "|---" * (len(METHODS) + 1) + "|"]
    for name in SETS:
        cells = []
        for method in METHODS:
            scores = [100 * row["top1"] for row in rows if (row["set"], row["method"]) == (name, method)]
            spread = f" ± {stdev(scores):.1f}" if len(scores) > 1 else ""
            cells.append(f"{mean(scores):.1f}{spread}" if scores else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", default=",".join(SETS), help="comma-separated")
    parser.add_argument("--methods", default=";".join(METHODS), help="separated by semicolons")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "runs.jsonl"
    for name in arguments.sets.split(","):
        backbone = train_backbone(USED[name], arguments.folder, arguments.out)
        for seed in range(arguments.seeds):
            for method in arguments.methods.split(";"):
                rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
                if any((row["set"], row["method"], row["seed"]) == (name, method, seed) for row in rows):
                    continue
                row = measure(arguments.out, name, method, seed, backbone)
                with file.open("a") as lines:
                    lines.write(json.dumps(row) + "\n")
                print(row, flush=True)
    print(table([json.loads(line) for line in file.read_text().splitlines()]))


if __name__ == "__main__":
    main()
