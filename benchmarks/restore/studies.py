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
from convworks.restoration.fit import INPUT_SCALE, Fit, Setup, prepare, step
from convworks.restoration.observation import as_tensor, observe
from convworks.restoration.problems import PROBLEMS, fitting_of
from convworks.restoration.result import pixel_ratio
from convworks.restoration.rules import HELD_OUT, ITERATIONS, MOVING_VARIANCE, RULES, Best, stopped

CPU = torch.device("cpu")
PUBLISHED = "prior_denoise"
#: Variants of the study of speed: the published network in both ways, and the one that convworks denoises with.
PLAIN, OURS, DEFAULT = "plain float32", "convworks", "its denoising network"
TO_THE_END = 2500  # iterations of a fit that no rule stops


def computation(classes: int, model: str = PUBLISHED) -> Computation:
    """Return how convworks computes a denoising network here."""
    precision = choose_precision("auto", CPU)
    return Computation(model=model, channels=32, classes=classes, device=CPU, precision=precision)


def begun(
    pixels: np.ndarray, model: str, *, rule: str = HELD_OUT, seed: int = 0, clean: np.ndarray | None = None
) -> tuple[Setup, Fit]:
    """Return the fit of a denoising network to a picture, before its first iteration."""
    setup = prepare(
        observe(pixels),
        channels=32,
        fitting=fitting_of(model),
        rule=RULES[rule],
        iterations=None,
        seed=seed,
        clean=None if clean is None else as_tensor(clean),
    )
    return setup, computation(pixels.shape[2], model).begin(setup)


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


def ours(pixels: np.ndarray, model: str = PUBLISHED) -> Callable[[], float]:
    """Return a function that takes an iteration of convworks, with its stopping rule, and returns its seconds."""
    setup, fit = begun(pixels, model)

    def iterate() -> float:
        started = time.process_time()
        step(setup, fit)
        return time.process_time() - started

    return iterate


def speed(args: argparse.Namespace, side: int) -> dict[str, Any]:
    """Take iterations of each variant in turn; the first of a variant is not counted."""
    pixels = degraded(picture("F16_GT.png", side), "gaussian", 0)
    variants = {PLAIN: plain(pixels), OURS: ours(pixels), DEFAULT: ours(pixels, PROBLEMS["denoise"].model)}
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
        "ratios": {name: medians[PLAIN] / value for name, value in medians.items()},
        "threads": torch.get_num_threads(),
        "precision": str(computation(3).precision),
    }


def rules(args: argparse.Namespace, name: str, noise: str, seed: int) -> dict[str, Any]:
    """Fit to the end whatever the rules say, keep the curves, then ask each rule where it would have stopped.

    Twice: with pixels held out, for the rule that needs them, and with all of them, for the others.
    """
    clean = picture(name, args.side)
    pixels = degraded(clean, noise, seed)
    end = args.iterations or TO_THE_END
    curves: dict[str, Any] = {}
    for rule in (HELD_OUT, ITERATIONS):
        setup, fit = begun(pixels, PROBLEMS["denoise"].model, rule=rule, seed=seed, clean=clean)
        steps = [step(setup, fit) for _ in range(end)]
        curves[rule] = {field: [getattr(row, field) for row in steps] for field in CURVES}
    arrays: dict[str, Any] = {
        f"{rule}-{field}": np.array(values, dtype=float)
        for rule, curve in curves.items()
        for field, values in curve.items()
    }
    np.savez_compressed(args.out / f"{name}-{noise}-{seed}-{args.side}.npz", **arrays)
    held, whole = (curves[rule] for rule in (HELD_OUT, ITERATIONS))
    at, published = chosen(HELD_OUT, held["held_out"]), chosen(MOVING_VARIANCE, whole["moving_variance"])
    return {
        "noisy": pixel_ratio(pixels, clean),
        "best": max(held["psnr"]),
        "best_iteration": 1 + int(np.argmax(held["psnr"])),
        "held_out": held["psnr"][at - 1],
        "held_out_iteration": at,
        "best_of_all": max(whole["psnr"]),
        "variance_published": whole["psnr_output"][published - 1],
        "variance_averaged": whole["psnr"][published - 1],
        "variance_iteration": published,
        "fixed": whole["psnr"][min(PROBLEMS["denoise"].iterations, end) - 1],
        "last": whole["psnr"][-1],
        "seconds": held["seconds"][-1] + whole["seconds"][-1],
    }


CURVES = ("held_out", "moving_variance", "psnr", "psnr_output", "seconds")


def chosen(name: str, values: Sequence[float | None]) -> int:
    """Return the iteration that a rule chooses."""
    best = Best()
    for iteration, value in enumerate(values, start=1):
        best = best if value is None else best.after(iteration, value, RULES[name].tolerance)
        if stopped(RULES[name], best, iteration):
            break
    return best.iteration or len(values)


def spread(args: argparse.Namespace, runs: int, seed: int) -> dict[str, Any]:
    """Denoise one picture with a seed, by so many runs."""
    clean = picture("F16_GT.png", args.side)
    pixels = degraded(clean, "gaussian", 0)
    found = convworks.restore(
        pixels, compare=clean, runs=runs, seed=seed, minutes=args.minutes, iterations=args.iterations
    )
    return {"runs": runs, "psnr": found.record["psnr"][0], "seconds": found.record["seconds"], "fits": fits(found)}


def tasks(args: argparse.Namespace, name: str) -> dict[str, Any]:
    """Restore a picture, by convworks and by methods that need no training."""
    from benchmarks.peers import classic_restoration as classic

    case = cases(args.side)[name]
    options: dict[str, Any] = {field: case[field] for field in ("mask", "scale") if field in case}
    limited = {"minutes": args.minutes, "iterations": args.iterations}
    found = convworks.restore(case["pixels"], case["problem"], compare=case["clean"], **limited, **options)
    others = classic.restore(case["problem"], case["pixels"], options, case["clean"])
    folder = args.out / f"{name}-{args.side}"
    folder.mkdir(parents=True, exist_ok=True)
    images = {"before": found.before, "convworks": found.image, "clean": case["clean"], **others}
    for method, pixels in images.items():
        Image.fromarray(pixels.squeeze()).save(folder / f"{method}.png")
    ratios = {method: pixel_ratio(pixels, case["clean"]) for method, pixels in images.items() if method != "clean"}
    return {"psnr": ratios, "seconds": found.record["seconds"], "fits": fits(found), "pictures": folder.name}


def fits(found: Any) -> list[dict[str, Any]]:
    """Return what a row says of the fits of a restoration."""
    fields = ("ended", "iterations", "best_iteration", "averaged", "seconds")
    return [{field: fit[field] for field in fields} for fit in found.record["fits"]]


def limits(args: argparse.Namespace) -> str:
    """Return what tells cells of other limits apart: the side, and what ends a fit."""
    end = "" if args.iterations is None else f"-{args.iterations}"
    return f"{args.side}-{args.minutes:g}min{end}"


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
            f"{name}-{noise}-{seed}-{args.side}-{args.iterations or TO_THE_END}": (name, noise, seed)
            for name in PICTURES
            for noise in NOISES
            for seed in range(args.seeds)
        },
        measure=rules,
    ),
    "spread": Study(
        cells=lambda args: {
            f"{runs}-{seed}-{limits(args)}": (runs, seed) for runs in (1, 2, 4) for seed in range(args.seeds)
        },
        measure=spread,
    ),
    "tasks": Study(cells=lambda args: {f"{name}-{limits(args)}": (name,) for name in CASES}, measure=tasks),
}
