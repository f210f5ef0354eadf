"""Lecture 001's claims on autoencoders, measured: `python -m benchmarks.autoencoders NAME --out DIR`.

    linear      the code of the linear autoencoder spans the principal components: the angle between the subspaces
    denoising   the figure of the lecture: originals, 5 and 10 % noise, outputs; and signal-to-noise ratios
    stacked     layer-wise pre-training against random initial weights, with few labels and with all

Interrupted runs are resumed, finished ones are reused. Results are written to DIR/NAME.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

import convworks
from convworks.charts.raster import to_png
from convworks.charts.reconstructions import lecture
from convworks.config import assignment, override
from convworks.data.column import Arrays
from convworks.data.config import DataConfig
from convworks.data.source import Source, Split
from convworks.data.sources.open import open_source
from convworks.data.sources.unlabelled import divide_unlabelled, without_labels
from convworks.data.split.stratify import choose_stratified
from convworks.recipes import recipe
from convworks.training.run import train as run

RATES = (0.05, 0.1)
UNITS = (500, 500, 500)
#: Number of labels (None for all), and the epochs of training on them.
LABELS: tuple[tuple[int | None, int], ...] = ((100, 200), (1000, 60), (None, 15))


def linear(folder: Path, data: str, seeds: Sequence[int], changes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the largest principal angle, in degrees, between the decoder's columns and the components, by seed."""
    angles, errors, component_error = [], [], 0.0
    for seed in seeds:
        results = trained(folder / f"linear-{seed}", "autoencoder/linear", data, seed, changes)
        decoder = load_file(Path(results["bundle"]) / "weights.safetensors")["stages.decoder.layer1.linear.weight"]
        config = override(recipe("autoencoder/linear"), changes)
        pixels = training_pixels(open_source(data), config.data, seed)
        components, component_error = principal(pixels, decoder.shape[1])
        angles.append(angle(components, decoder.astype(np.float64)))
        errors.append(results["train_mse"])
    return {
        "degrees": angles,
        "training_error": errors,
        "error_of_the_components": component_error,
        "units": int(decoder.shape[1]),
    }


def training_pixels(source: Source, data: DataConfig, seed: int) -> np.ndarray:
    """Return the training images as rows of values in 0..1."""
    inputs = divide_unlabelled(without_labels(source), data, seed).splits["train"].inputs
    assert isinstance(inputs, Arrays)
    arrays = inputs.values
    pixels: np.ndarray = arrays.reshape(len(arrays), -1).astype(np.float32) / 255
    return pixels


def principal(pixels: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """Return the first principal components as columns, and the mean squared error of their reconstructions."""
    centred = pixels - pixels.mean(0, dtype=np.float64).astype(np.float32)
    values, vectors = np.linalg.eigh(centred.T.astype(np.float64) @ centred / len(centred))
    return vectors[:, ::-1][:, :count], float(values[:-count].sum()) / len(values)


def angle(components: np.ndarray, columns: np.ndarray) -> float:
    """Return the largest angle between two subspaces of the same dimension, in degrees (Björck and Golub 1973)."""
    outside = np.linalg.qr(columns)[0]
    outside = outside - components @ (components.T @ outside)
    sine = float(np.linalg.norm(outside, 2))  # exact for small angles, unlike the cosine
    return float(np.degrees(np.arcsin(min(1.0, sine))))


def denoising(folder: Path, data: str, seeds: Sequence[int], changes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the PSNR before and after, by rate and seed, and draw the figure of the lecture with the first seed."""
    results: dict[str, Any] = {}
    examples = []
    for rate in RATES:
        runs = [
            trained(
                folder / f"denoising-{rate:g}-{seed}",
                "autoencoder/denoising",
                data,
                seed,
                [f"data.corruption.rate={rate}", *changes],
            )
            for seed in seeds
        ]
        results[f"{100 * rate:g} %"] = {
            "psnr": [run_results["test"]["psnr"] for run_results in runs],
            "psnr_read": runs[0]["test"]["psnr_read"],
            "mse": [run_results["test"]["mse"] for run_results in runs],
        }
        examples.append((f"{100 * rate:g} %", convworks.load(runs[0]["bundle"]).outcome(data).examples))
    (folder / "denoising.png").write_bytes(to_png(lecture(examples)))
    return results


def stacked(folder: Path, data: str, seeds: Sequence[int], changes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the test error with each number of labels, pre-trained and not, by seed.

    The layers are pre-trained on all training images, without labels. With all labels, 5,000 of them choose the epoch;
    with few, a tenth is held out, but the last epoch is kept. Nothing else is chosen: both networks are trained alike.
    """
    source = open_source(data)
    units = assignment("model.table.units", UNITS)
    errors: dict[str, dict[str, list[float]]] = {}
    for seed in seeds:
        layers = trained(folder / f"stacked-{seed}", "autoencoder/stacked", data, seed, [units, *changes])
        pretrained_run = str((Path(layers["experiment"]) / f"layer{len(UNITS)}").absolute())
        for labels, epochs in LABELS:
            for kind, start in (
                ("pretrained", [f"model.start.path={pretrained_run}"]),
                ("random", ["model.start=None"]),
            ):
                out = folder / f"{kind}-{labels or 'all'}-{seed}"
                options = [units, *start, f"training.epochs={epochs}", f"seed={seed}", *smaller(labels), *changes]
                config = override(recipe("autoencoder/classifier"), [option for option in options if fits(option)])
                results = finished(out) or run(config, command="", out=out, source=labelled(source, labels, seed))
                errors.setdefault(str(labels or "all"), {}).setdefault(kind, []).append(1 - results["test"]["top1"])
    return {
        labels: {
            kind: {
                "errors": values,
                "mean": statistics.mean(values),
                "sd": statistics.stdev(values) if len(values) > 1 else 0.0,
            }
            for kind, values in kinds.items()
        }
        for labels, kinds in errors.items()
    }


def fits(change: str) -> bool:
    """Return whether a change applies to the classifier as well."""
    return not change.startswith(("training.pretraining", "data.source"))


def smaller(labels: int | None) -> list[str]:
    """Return options for few labels: ten steps per epoch, and no choice of epoch by a handful of images."""
    if labels is None:
        return []
    return [f"training.batch_size={max(10, labels // 10)}", "data.validation_limit=None", "training.kept=last"]


def labelled(source: Source, labels: int | None, seed: int) -> Source:
    """Return a source with `labels` of its training samples, stratified by class."""
    train = source.splits["train"]
    if labels is None:
        return source
    training_split: Split = train
    samples = choose_stratified(
        training_split.labels,
        training_split.names,
        len(source.classes),
        fraction=labels / len(training_split),
        limit=labels,
        seed=seed,
    )
    return replace(source, splits={**source.splits, "train": training_split.select(np.flatnonzero(samples))})


def trained(out: Path, name: str, data: str, seed: int, changes: Sequence[str]) -> dict[str, Any]:
    """Start, resume or reuse a run; return its results with the training error of the last epoch."""
    results = finished(out)
    if results is None:
        started = (out / "run.json").exists() or (out / "experiment.json").exists()
        results = (
            convworks.train(resume=out)
            if started
            else convworks.train(name, data=data, seed=seed, out=out, overrides=changes)
        )
    rows = (Path(results["run"]) / "metrics.jsonl").read_text().splitlines()
    return {**results, "train_mse": json.loads(rows[-1])["train_mse"]}


def finished(out: Path) -> dict[str, Any] | None:
    """Return the results of a finished run or experiment, else None."""
    for name in ("experiment.json", "run.json"):
        if (out / name).is_file():
            record = json.loads((out / name).read_text())
            if record["status"] == "finished":
                results: dict[str, Any] = record["results"]
                return results
    return None


STUDIES: dict[str, Callable[..., dict[str, Any]]] = {"linear": linear, "denoising": denoising, "stacked": stacked}


def main() -> None:
    """Run the named studies."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.autoencoders", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("names", nargs="+", choices=STUDIES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", dest="changes", action="append", default=[])
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names:
        results = STUDIES[name](args.out, args.data, range(args.seeds), args.changes)
        (args.out / f"{name}.json").write_text(json.dumps(results, indent=2))
        print(json.dumps({name: results}, indent=2))


if __name__ == "__main__":
    main()
