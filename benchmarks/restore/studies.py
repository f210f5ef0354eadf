"""The studies: each is a table of cells that do not depend on each other, and a function that measures one of them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

import convworks
from benchmarks.restore.pictures import CASES, NOISES, PICTURES, cases, degraded, picture
from convworks.errors import ConvworksError
from convworks.hardware import choose_precision
from convworks.models.catalogue import Shape, create
from convworks.restoration.computation import Computation
from convworks.restoration.fit import INPUT_SCALE, begin, prepare, step
from convworks.restoration.observation import as_tensor, observe
from convworks.restoration.problems import PROBLEMS, fitting_of
from convworks.restoration.result import pixel_ratio
from convworks.restoration.rules import HELD_OUT, MOVING_VARIANCE, RULES, Best, stopped

CPU = torch.device("cpu")
PUBLISHED = "prior_denoise"
ITERATIONS = 2500  # of a fit to the end


def computation(classes: int, model: str = PUBLISHED) -> Computation:
    """Return how convworks computes a denoising network here."""
    precision = choose_precision("auto", CPU)
    return Computation(model=model, channels=32, classes=classes, device=CPU, precision=precision)


def plain(pixels: np.ndarray) -> Callable[[], float]:
    """Return a function that takes a published iteration in plain PyTorch, and returns its seconds."""
    values = as_tensor(pixels)
    network = create(PUBLISHED, Shape(classes=pixels.shape[2], channels=32, size=pixels.shape[:2])).train()
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    given = torch.rand(1, 32, *pixels.shape[:2]) * INPUT_SCALE
    noise, average = given.clone(), torch.zeros_like(values)

    def iterate() -> float:
        started = time.process_time()
        optimizer.zero_grad()
        output = network(given + noise.normal_() / 30)
        average.mul_(0.99).add_(output.detach(), alpha=0.01)
        torch.nn.functional.mse_loss(output, values).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return time.process_time() - started

    return iterate


def ours(pixels: np.ndarray) -> Callable[[], float]:
    """Return a function that takes an iteration of convworks, with its stopping rule, and returns its seconds."""
    setup = prepare(
        observe(pixels),
        channels=32,
        fitting=fitting_of(PUBLISHED),
        rule=RULES[HELD_OUT],
        iterations=None,
        seed=0,
    )
    way = computation(pixels.shape[2])
    network = way.draw(0, setup.observation.size)
    fit = begin(setup, network, way.forward(network))

    def iterate() -> float:
        started = time.process_time()
        step(setup, fit)
        return time.process_time() - started

    return iterate


def speed(args: argparse.Namespace, side: int) -> dict[str, Any]:
    """Take iterations of each variant in turn; the first of a variant is not counted."""
    pixels = degraded(picture("F16_GT.png", side), "gaussian", 0)
    variants = {"plain float32": plain(pixels), "convworks": ours(pixels)}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(args.repeats + 1):
        for name, iterate in variants.items():
            taken = iterate()
            if turn:
                seconds[name].append(taken)
    medians = {name: median(values) for name, values in seconds.items()}
    return {
        "seconds": medians,
        "lowest": {name: min(values) for name, values in seconds.items()},
        "ratios": {name: medians["plain float32"] / value for name, value in medians.items()},
        "threads": torch.get_num_threads(),
        "precision": str(computation(3).precision),
    }


def rules(args: argparse.Namespace, name: str, noise: str, seed: int) -> dict[str, Any]:
    """Fit to the end whatever the rules say, keep the curves, then ask each rule where it would have stopped."""
    clean = picture(name, args.side)
    pixels = degraded(clean, noise, seed)
    model = PROBLEMS["denoise"].model
    setup = prepare(
        observe(pixels),
        channels=32,
        fitting=fitting_of(model),
        rule=RULES[HELD_OUT],
        iterations=None,
        seed=seed,
        clean=as_tensor(clean),
    )
    way = computation(clean.shape[2], model)
    network = way.draw(seed, setup.observation.size)
    fit = begin(setup, network, way.forward(network))
    rows = [step(setup, fit) for _ in range(args.iterations or ITERATIONS)]
    curves: dict[str, Any] = {field: np.array([getattr(row, field) or np.nan for row in rows]) for field in CURVES}
    np.savez_compressed(args.out / f"{name}-{noise}-{seed}-{args.side}.npz", **curves)
    averaged, output = [row.psnr or 0.0 for row in rows], [row.psnr_output or 0.0 for row in rows]
    held, published = (chosen(rule, [getattr(row, field) for row in rows]) for rule, field in COLUMNS)
    return {
        "noisy": pixel_ratio(pixels, clean),
        "best": max(averaged),
        "best_iteration": 1 + int(np.argmax(averaged)),
        "held_out": averaged[held - 1],
        "held_out_iteration": held,
        "variance_published": output[published - 1],
        "variance_averaged": averaged[published - 1],
        "variance_iteration": published,
        "fixed": averaged[min(PROBLEMS["denoise"].iterations, len(rows)) - 1],
        "last": averaged[-1],
        "seconds": rows[-1].seconds,
    }


CURVES = ("held_out", "moving_variance", "psnr", "psnr_output")
COLUMNS = ((HELD_OUT, "held_out"), (MOVING_VARIANCE, "moving_variance"))


def chosen(name: str, values: Sequence[float | None]) -> int:
    """Return the iteration that a rule chooses."""
    best = Best()
    for iteration, value in enumerate(values, start=1):
        best = best if value is None else best.after(iteration, value)
        if stopped(RULES[name], best, iteration):
            break
    return best.iteration or len(values)


def spread(args: argparse.Namespace, runs: int, seed: int) -> dict[str, Any]:
    """Denoise one picture with a seed, by so many runs."""
    clean = picture("F16_GT.png", args.side)
    pixels = degraded(clean, "gaussian", 0)
    limits = {"minutes": args.minutes, "iterations": args.iterations}
    found = convworks.restore(pixels, compare=clean, runs=runs, seed=seed, **limits)
    return {"runs": runs, "psnr": found.record["psnr"][0], "seconds": found.record["seconds"], "fits": fits(found)}


def tasks(args: argparse.Namespace, name: str) -> dict[str, Any]:
    """Restore a picture, by convworks and by methods that need no training."""
    from benchmarks.peers import classic_restoration as classic

    case = cases(args.side)[name]
    options: dict[str, Any] = {field: case[field] for field in ("mask", "scale") if field in case}
    limits = {"minutes": args.minutes, "iterations": args.iterations}
    found = convworks.restore(case["pixels"], case["problem"], compare=case["clean"], **limits, **options)
    others = classic.restore(case["problem"], case["pixels"], options, case["clean"])
    folder = args.out / f"{name}-{args.side}"
    folder.mkdir(parents=True, exist_ok=True)
    images = {"before": found.before, "convworks": found.image, "clean": case["clean"], **others}
    for method, pixels in images.items():
        Image.fromarray(pixels.squeeze()).save(folder / f"{method}.png")
    ratios = {method: pixel_ratio(pixels, case["clean"]) for method, pixels in images.items() if method != "clean"}
    return {"psnr": ratios, "seconds": found.record["seconds"], "fits": fits(found)}


def fits(found: Any) -> list[dict[str, Any]]:
    """Return what a row says of the fits of a restoration."""
    fields = ("ended", "iterations", "best_iteration", "averaged", "seconds")
    return [{field: fit[field] for field in fields} for fit in found.record["fits"]]


Cell = tuple[Any, ...]


def attempt(
    measure: Callable[..., dict[str, Any]], args: argparse.Namespace, cell: Cell
) -> dict[str, Any] | ConvworksError:
    """Measure a cell, and return its row, or its error: that of one cell does not stop the others."""
    try:
        return measure(args, *cell)
    except ConvworksError as error:
        return error


@dataclass(frozen=True, kw_only=True)
class Study:
    """The cells of a study by name, from its options, and what measures one of them."""

    cells: Callable[[argparse.Namespace], dict[str, Cell]]
    measure: Callable[..., dict[str, Any]]


STUDIES = {
    "speed": Study(
        cells=lambda args: {f"{side}-{torch.get_num_threads()}": (side,) for side in args.sizes}, measure=speed
    ),
    "rules": Study(
        cells=lambda args: {
            f"{name}-{noise}-{seed}-{args.side}-{args.iterations or ITERATIONS}": (name, noise, seed)
            for name in PICTURES
            for noise in NOISES
            for seed in range(args.seeds)
        },
        measure=rules,
    ),
    "spread": Study(
        cells=lambda args: {
            f"{runs}-{seed}-{args.side}": (runs, seed) for runs in (1, 2) for seed in range(args.seeds)
        },
        measure=spread,
    ),
    "tasks": Study(cells=lambda args: {f"{name}-{args.side}": (name,) for name in CASES}, measure=tasks),
}
