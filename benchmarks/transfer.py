"""What transfer gains: a network trained on some classes, or by others, adapts to new classes with few images.

    python -m benchmarks.transfer cifar FOLDER --out results/transfer     # FOLDER/{train,test}/CLASS, as CIFAR-10
    python -m benchmarks.transfer hymenoptera FOLDER --out results/ants   # FOLDER/{train,val}/CLASS

Every run is a line of OUT/runs.jsonl; what is there already is not done again, so that calls with some of the
--counts, each with its --epochs, end in one table. At the end OUT/table.md and, for CIFAR, OUT/curve.svg.
The test images are measured once a run and choose nothing: epochs, costs and factors are chosen on a
tenth of the training images.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

import convworks

KNOWN = ("airplane", "automobile", "bird", "cat", "deer")
NEW = ("dog", "frog", "horse", "ship", "truck")

#: name: options of `convworks.transfer`; nothing for training from scratch
METHODS: dict[str, dict[str, Any] | None] = {
    "from scratch": None,
    "frozen": {"freeze": "CUT"},
    "frozen, two layers": {"freeze": "CUT", "head": "two-layer"},
    "discriminative": {},
    "gradual": {"overrides": ["training.thaw=THAW"]},
    "full": {"overrides": ["training.depth_decay=1"]},
    "linear SVM": {"head": "svm"},
    "RBF SVM": {"head": "rbf-svm"},
}


def link_subset(folder: Path, classes: Iterable[str], out: Path, count: int | None, seed: int = 0) -> Path:
    """Link `count` training images of each class (all if None), sampled with the seed, and all test images."""
    rng = np.random.default_rng(seed)
    for kind in classes:
        for split in ("train", "test"):
            files = sorted((folder / split / kind).iterdir())
            if split == "train" and count is not None:
                files = [files[index] for index in sorted(rng.permutation(len(files))[:count].tolist())]
            (out / split / kind).mkdir(parents=True, exist_ok=True)
            for file in files:
                link = out / split / kind / file.name
                if not link.is_symlink():
                    link.symlink_to(file.resolve())
    return out


def link_with_test(folder: Path, out: Path) -> Path:
    """Link a folder of train and val; val becomes test, since it selects nothing here."""
    out.mkdir(parents=True, exist_ok=True)
    for name, original in (("train", "train"), ("test", "val")):
        if not (out / name).is_symlink():
            (out / name).symlink_to((folder / original).resolve())
    return out


class Study:
    """Runs that are done once each and recorded as lines of a file."""

    def __init__(self, out: Path) -> None:
        self.out = out
        out.mkdir(parents=True, exist_ok=True)
        self.file = out / "runs.jsonl"
        self.rows = [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def run(
        self,
        method: str,
        data: Path,
        bundle: Path | str,
        model: str,
        seed: int,
        key: dict[str, Any],
        options: Sequence[str],
    ) -> None:
        """Do a run unless it is recorded."""
        identity = {"method": method, "seed": seed, **key}
        if any(row.items() >= identity.items() for row in self.rows):
            return
        run_folder = self.out / "runs" / "-".join(str(value).replace(" ", "_") for value in identity.values())
        method_options = METHODS[method]
        common: dict[str, Any] = {"data": data, "seed": seed, "out": run_folder}
        started = time.perf_counter()
        if method_options is None:
            results = convworks.train(model=model, overrides=options, **common)
        else:
            method_overrides = [_thaw(text, options) for text in method_options.get("overrides", ())]
            is_svm = "svm" in method_options.get("head", "")
            freeze = "head.features" if "freeze" in method_options else None  # where both ResNets are cut
            changes = [*([] if is_svm else options), *method_overrides]
            sizes = [option for option in options if is_svm and option.startswith("data.size")]
            head = method_options.get("head", "linear")
            results = convworks.transfer(bundle, freeze=freeze, head=head, overrides=[*sizes, *changes], **common)
        row = {
            **identity,
            "top1": results["test"]["top1"],
            "n": results["test"]["n"],
            "validation": results["validation"]["top1"],
            "epochs": results["epochs"],
            "seconds": round(time.perf_counter() - started, 1),
        }
        self.rows.append(row)
        with self.file.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)

    def cells(self, method: str, **key: Any) -> list[float]:
        return [row["top1"] for row in self.rows if row["method"] == method and key.items() <= row.items()]


def cifar(
    folder: Path,
    out: Path,
    *,
    known: Sequence[str] = KNOWN,
    new: Sequence[str] = NEW,
    counts: Sequence[int] = (10, 50, 500),
    seeds: int = 3,
    model: str = "resnet20",
    base: Sequence[str] = ("training.epochs=30",),
    options: Sequence[str] = (),
    methods: Sequence[str] = tuple(METHODS),
) -> Study:
    """Train `model` on the known classes, then adapt it to the new ones with `counts` images of each."""
    study = Study(out)
    bundle = out / "base"
    if not (bundle / "bundle" / "bundle.json").exists():
        data = link_subset(folder, known, out / "data" / "known", None)
        results = convworks.train(data=data, model=model, out=bundle, seed=0, overrides=base)
        print(f"base: {results['test']['top1']:.4f} of {results['test']['n']}", flush=True)
    for count in counts:
        for seed in range(seeds):
            data = link_subset(folder, new, out / "data" / f"new-{count}-{seed}", count, seed)
            for method in methods:
                study.run(method, data, bundle, model, seed, {"images": count}, options)
    write(study, "images", counts, methods)
    draw(study, counts, methods)
    return study


def hymenoptera(folder: Path, out: Path, *, sizes: Sequence[int] = (32, 64), seeds: int = 3) -> Study:
    """Adapt a published ResNet-44 for CIFAR-10 to ants and bees, at several image sizes."""
    study, model = Study(out), "resnet44"
    data = link_with_test(folder, out / "data")
    for size in sizes:
        for seed in range(seeds):
            for method in METHODS:
                key, options = {"size": size}, [f"data.size=({size}, {size})"]
                study.run(method, data, f"{model}:cifar10", model, seed, key, options)
    write(study, "size", sizes, tuple(METHODS))
    return study


def write(study: Study, key: str, values: Sequence[int], methods: Sequence[str]) -> None:
    """Write a table: the mean over the seeds, and their standard deviation."""
    lines = [f"| {key} | " + " | ".join(map(str, values)) + " |", "|---" * (len(values) + 1) + "|"]
    for method in methods:
        cells = [_cell(study.cells(method, **{key: value})) for value in values]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    (study.out / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def draw(study: Study, counts: Sequence[int], methods: Sequence[str]) -> None:
    """Draw accuracy over the number of images, on a logarithmic axis."""
    from convworks.charts.axes import Panel
    from convworks.charts.draw_file import write_drawing
    from convworks.charts.drawing import Circle, Drawing, Line, Shape, Text, remark

    accuracies = {method: [study.cells(method, images=count) for count in counts] for method in methods}
    values = [value for cells in accuracies.values() for cell in cells for value in cell]
    y_range = (max(0.0, min(values) - 0.03), min(1.0, max(values) + 0.03))
    panel = Panel(left=56, top=40, width=520, height=340, x=(np.log10(counts[0]), np.log10(counts[-1])), y=y_range)
    shapes: list[Shape] = [Text(x=0, y=10, text="Test accuracy by images a class", size=16, bold=True)]
    shapes += panel.axes(percent=True, x_ticks=[])
    shapes += [remark(panel.across(np.log10(count)), 396, str(count)) for count in counts]
    colours = ("muted", "blue", "teal", "green", "ochre", "orange", "rose", "violet")
    for index, (method, cells) in enumerate(accuracies.items()):
        colour = colours[index % len(colours)]
        points = tuple((panel.across(np.log10(c)), panel.up(mean(cell))) for c, cell in zip(counts, cells, strict=True))
        if len(points) > 1:
            shapes.append(Line(points=points, stroke=colour, width=2.0, dashed=method == "from scratch"))
        for (x, _), cell in zip(points, cells, strict=True):
            shapes += [Circle(x=x, y=panel.up(value), radius=2.6, fill=colour) for value in cell]
        shapes.append(Line(points=((600, 50 + 22 * index), (620, 50 + 22 * index)), stroke=colour, width=2.4))
        shapes.append(remark(628, 50 + 22 * index, method, "start", size=11))
    write_drawing(
        study.out / "curve.svg",
        Drawing(width=780, height=410, label="transfer by images a class", shapes=tuple(shapes)),
    )


def _cell(accuracies: Sequence[float]) -> str:
    if not accuracies:
        return ""
    spread = f" ± {100 * stdev(accuracies):.1f}" if len(accuracies) > 1 else ""
    return f"{100 * mean(accuracies):.1f}{spread}"


def _thaw(text: str, options: Sequence[str]) -> str:
    """Set the interval that thaws the four stages in the first half of a run."""
    epochs = next((int(option.partition("=")[2]) for option in options if option.startswith("training.epochs=")), 80)
    return text.replace("THAW", str(max(1, epochs // 8)))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=("cifar", "hymenoptera"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--counts", type=_numbers, default="10,50,500", help="images a class")
    parser.add_argument("--sizes", type=_numbers, default="32,64", help="pixels of hymenoptera's images")
    parser.add_argument("--base-epochs", type=int, default=30)
    parser.add_argument("--epochs", type=int, help="of the networks this call trains (recipes decide where not given)")
    args = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    if args.study == "hymenoptera":
        hymenoptera(args.folder, args.out, sizes=args.sizes, seeds=args.seeds)
        return
    base = (f"training.epochs={args.base_epochs}",)
    options = () if args.epochs is None else (f"training.epochs={args.epochs}",)
    cifar(args.folder, args.out, counts=args.counts, seeds=args.seeds, base=base, options=options)


def _numbers(text: str) -> tuple[int, ...]:
    """Parse comma-separated numbers."""
    return tuple(map(int, text.split(",")))


if __name__ == "__main__":
    main()
