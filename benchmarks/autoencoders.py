"""Lecture 001's claims on autoencoders, measured: `python -m benchmarks.autoencoders NAME --out DIR`.

    linear      the code of the linear autoencoder spans the principal components: the angles between both
    denoising   the lecture's picture, original, 5 and 10 % noise, outputs, and the signal-to-noise ratios
    stacked     pre-training layer by layer against random first weights, with few labels and with all

Each run goes on where it was stopped; what is finished is not made again. The numbers are written to DIR/NAME.json.
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
from convworks.data.config import DataConfig
from convworks.data.source import Source, Split
from convworks.data.sources.open import open_source
from convworks.data.sources.unlabelled import divide_unlabelled, without_labels
from convworks.data.split.stratify import choose_stratified
from convworks.recipes import recipe
from convworks.training.run import train as run

RATES = (0.05, 0.1)
UNITS = (500, 500, 500)
#: Labels, None for all, and the epochs that training on them takes.
LABELS: tuple[tuple[int | None, int], ...] = ((100, 200), (1000, 60), (None, 15))


def linear(place: Path, data: str, seeds: Sequence[int], changes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the largest principal angle, in degrees, between the decoder's columns and the components, by seed."""
    angles, errors, best = [], [], 0.0
    for seed in seeds:
        found = trained(place / f"linear-{seed}", "autoencoder/linear", data, seed, changes)
        back = load_file(Path(found["bundle"]) / "weights.safetensors")["stages.decoder.layer1.linear.weight"]
        config = override(recipe("autoencoder/linear"), changes)
        pixels = training_pixels(open_source(data), config.data, seed)
        components, best = principal(pixels, back.shape[1])
        angles.append(angle(components, back.astype(np.float64)))
        errors.append(found["train_mse"])
    return {"degrees": angles, "training_error": errors, "error_of_the_components": best, "units": int(back.shape[1])}


def training_pixels(source: Source, data: DataConfig, seed: int) -> np.ndarray:
    """Return the training images as rows of values in 0..1."""
    arrays = divide_unlabelled(without_labels(source), data, seed).splits["train"].arrays
    assert arrays is not None
    pixels: np.ndarray = arrays.reshape(len(arrays), -1).astype(np.float32) / 255
    return pixels


def principal(pixels: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """Return the first principal components as columns, and the mean squared error of what they give back."""
    centred = pixels - pixels.mean(0, dtype=np.float64).astype(np.float32)
    values, vectors = np.linalg.eigh(centred.T.astype(np.float64) @ centred / len(centred))
    return vectors[:, ::-1][:, :count], float(values[:-count].sum()) / len(values)


def angle(components: np.ndarray, columns: np.ndarray) -> float:
    """Return the largest angle between two subspaces of the same dimension, in degrees (Björck and Golub 1973)."""
    outside = np.linalg.qr(columns)[0]
    outside = outside - components @ (components.T @ outside)
    sine = float(np.linalg.norm(outside, 2))  # exact for small angles, unlike the cosine
    return float(np.degrees(np.arcsin(min(1.0, sine))))


def denoising(place: Path, data: str, seeds: Sequence[int], changes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the PSNR before and after, by rate and seed, and draw the lecture's picture with the first seed."""
    results: dict[str, Any] = {}
    shown = []
    for rate in RATES:
        found = [
            trained(
                place / f"denoising-{rate:g}-{seed}",
                "autoencoder/denoising",
                data,
                seed,
                [f"data.corruption.rate={rate}", *changes],
            )
            for seed in seeds
        ]
        results[f"{100 * rate:g} %"] = {
            "psnr": [each["test"]["psnr"] for each in found],
            "psnr_read": found[0]["test"]["psnr_read"],
            "mse": [each["test"]["mse"] for each in found],
        }
        shown.append((f"{100 * rate:g} %", convworks.load(found[0]["bundle"]).outcome(data).examples))
    (place / "denoising.png").write_bytes(to_png(lecture(shown)))
    return results


def stacked(place: Path, data: str, seeds: Sequence[int], changes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the test error with each number of labels, pre-trained and not, by seed.

    The layers are pre-trained on all training images, without labels. With all labels, 5,000 of them choose the epoch;
    with few, a tenth is held out, but the last epoch is kept. Nothing else is chosen: both networks are trained alike.
    """
    source = open_source(data)
    units = assignment("model.table.units", UNITS)
    errors: dict[str, dict[str, list[float]]] = {}
    for seed in seeds:
        layers = trained(place / f"stacked-{seed}", "autoencoder/stacked", data, seed, [units, *changes])
        begun = str((Path(layers["experiment"]) / f"layer{len(UNITS)}").absolute())
        for labels, epochs in LABELS:
            for kind, start in (("pretrained", [f"model.start.path={begun}"]), ("random", ["model.start=None"])):
                out = place / f"{kind}-{labels or 'all'}-{seed}"
                options = [units, *start, f"training.epochs={epochs}", f"seed={seed}", *smaller(labels), *changes]
                config = override(recipe("autoencoder/classifier"), [option for option in options if fits(option)])
                found = finished(out) or run(config, command="", out=out, source=labelled(source, labels, seed))
                errors.setdefault(str(labels or "all"), {}).setdefault(kind, []).append(1 - found["test"]["top1"])
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
    """Say whether a change is one for the classifier as well."""
    return not change.startswith(("training.pretraining", "data.source"))


def smaller(labels: int | None) -> list[str]:
    """Return what few labels need: ten steps an epoch, and no epoch chosen by a handful of images."""
    if labels is None:
        return []
    return [f"training.batch_size={max(10, labels // 10)}", "data.validation_limit=None", "training.kept=last"]


def labelled(source: Source, labels: int | None, seed: int) -> Source:
    """Return a source with so many of its training labels, of every class as many as there are in all."""
    train = source.splits["train"]
    if labels is None:
        return source
    known: Split = train
    chosen = choose_stratified(
        known.labels, known.names, len(source.classes), fraction=labels / len(known), limit=labels, seed=seed
    )
    return replace(source, splits={**source.splits, "train": known.select(np.flatnonzero(chosen))})


def trained(out: Path, name: str, data: str, seed: int, changes: Sequence[str]) -> dict[str, Any]:
    """Make a run, go on with it, or return what it found; with the training error of its last epoch."""
    done = finished(out)
    if done is None:
        begun = (out / "run.json").exists() or (out / "experiment.json").exists()
        done = (
            convworks.train(resume=out)
            if begun
            else convworks.train(name, data=data, seed=seed, out=out, overrides=changes)
        )
    rows = (Path(done["run"]) / "metrics.jsonl").read_text().splitlines()
    return {**done, "train_mse": json.loads(rows[-1])["train_mse"]}


def finished(out: Path) -> dict[str, Any] | None:
    """Return the results of a run or a stack that is finished."""
    for name in ("experiment.json", "run.json"):
        if (out / name).is_file():
            record = json.loads((out / name).read_text())
            if record["status"] == "finished":
                results: dict[str, Any] = record["results"]
                return results
    return None


STUDIES: dict[str, Callable[..., dict[str, Any]]] = {"linear": linear, "denoising": denoising, "stacked": stacked}


def main() -> None:
    """Make the studies that are named."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.autoencoders", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("names", nargs="+", choices=STUDIES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", dest="changes", action="append", default=[])
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.names:
        found = STUDIES[name](given.out, given.data, range(given.seeds), given.changes)
        (given.out / f"{name}.json").write_text(json.dumps(found, indent=2))
        print(json.dumps({name: found}, indent=2))


if __name__ == "__main__":
    main()
