"""The deep image prior, measured: `python -m benchmarks.restore NAME --out DIR`.

    speed    processor seconds an iteration, against the published network in plain PyTorch: float32, contiguous,
             torch.optim.Adam
    rules    where stopping rules stop, and how far below the best iteration: pictures x noise x seeds
    spread   denoising with several seeds: single runs, and two averaged
    tasks    inpainting, x4, JPEG, denoising, beside bicubic, total variation, biharmonic and non-local means
             (needs scikit-image)

Pictures are in $CONVWORKS_DATA/restoration. Each result is a line of DIR/NAME.jsonl; what is there is not done again.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

import convworks
from convworks.hardware import choose_precision
from convworks.models.catalogue import Shape, create
from convworks.restoration.computation import Computation
from convworks.restoration.fit import INPUT_SCALE, begin, prepare, step
from convworks.restoration.observation import as_tensor, observe
from convworks.restoration.problems import PROBLEMS, fitting_of
from convworks.restoration.result import pixel_ratio
from convworks.restoration.rules import HELD_OUT, MOVING_VARIANCE, RULES, Best, stopped

FOLDER = Path(os.environ.get("CONVWORKS_DATA", "data")) / "restoration"
CPU = torch.device("cpu")
PICTURES = ("F16_GT.png", "barbara.png", "zebra_GT.png")
SIGMA = 25


def picture(name: str, side: int | None = None) -> np.ndarray:
    """Return the middle square of a picture, reduced to side x side pixels; without a side, all of it."""
    image = Image.open(FOLDER / name)
    if side is not None:
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        image = image.resize((side, side), Image.Resampling.BOX, (left, top, left + edge, top + edge))
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def gaussian(values: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Add noise of SIGMA grey levels."""
    return values + draw.normal(0, SIGMA / 255, values.shape)


def poisson(values: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Count 25 photons where the picture is white."""
    return draw.poisson(values * 25) / 25


def speckle(values: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Add noise in proportion to the picture."""
    return values + values * draw.normal(0, 0.35, values.shape)


NOISES: Mapping[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "gaussian": gaussian,
    "poisson": poisson,
    "speckle": speckle,
}


def degraded(clean: np.ndarray, noise: str, seed: int) -> np.ndarray:
    """Return a picture with noise, as a file would hold it."""
    values = NOISES[noise](clean / 255, np.random.default_rng(seed))
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


def computation(classes: int) -> Computation:
    """Return how convworks computes the denoising network here."""
    precision = choose_precision("auto", CPU)
    return Computation(model="prior_denoise", channels=32, classes=classes, device=CPU, precision=precision)


def plain(pixels: np.ndarray) -> Callable[[], float]:
    """Return a function that takes a published iteration in plain PyTorch, and returns its seconds."""
    values = as_tensor(pixels)
    network = create("prior_denoise", Shape(classes=pixels.shape[2], channels=32, size=pixels.shape[:2])).train()
    network.to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    given = torch.rand(1, 32, *pixels.shape[:2]) * INPUT_SCALE
    noise, average = given.clone(), torch.zeros_like(values)

    def iterate() -> float:
        started = time.process_time()
        optimizer.zero_grad()
        output = network(given + noise.normal_() / 30)
        average.mul_(0.99).add_(output.detach(), alpha=0.01)
        torch.nn.functional.mse_loss(output, values).backward()
        optimizer.step()
        return time.process_time() - started

    return iterate


def ours(pixels: np.ndarray) -> Callable[[], float]:
    """Return a function that takes an iteration of convworks, with its stopping rule, and returns its seconds."""
    setup = prepare(
        observe(pixels),
        channels=32,
        fitting=fitting_of("prior_denoise"),
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


def speed(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Take iterations of each variant in turn, at each size; the first of a variant is not counted."""
    for side in args.sizes:
        pixels = degraded(picture("F16_GT.png", side), "gaussian", 0)
        variants = {"plain float32": plain(pixels), "convworks": ours(pixels)}
        seconds: dict[str, list[float]] = {name: [] for name in variants}
        for turn in range(args.repeats + 1):
            for name, iterate in variants.items():
                taken = iterate()
                if turn:
                    seconds[name].append(taken)
        medians = {name: median(values) for name, values in seconds.items()}
        ratios = {name: medians["plain float32"] / value for name, value in medians.items()}
        yield {
            "key": f"{side}-{torch.get_num_threads()}",
            "seconds": medians,
            "lowest": {name: min(values) for name, values in seconds.items()},
            "ratios": ratios,
            "threads": torch.get_num_threads(),
            "precision": str(computation(3).precision),
        }


def rules(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Fit to the end whatever the rules say, then ask each where it would have stopped."""
    for name in PICTURES:
        for noise in NOISES:
            for seed in range(args.seeds):
                yield from curve(name, noise, seed, args)


def curve(name: str, noise: str, seed: int, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the result of one fit."""
    key = f"{name}-{noise}-{seed}-{args.side}"
    if key in args.done:
        return
    clean = picture(name, args.side)
    pixels = degraded(clean, noise, seed)
    setup = prepare(
        observe(pixels),
        channels=32,
        fitting=fitting_of("prior_denoise"),
        rule=RULES[HELD_OUT],
        iterations=None,
        seed=seed,
        clean=as_tensor(clean),
    )
    way = computation(clean.shape[2])
    network = way.draw(seed, setup.observation.size)
    fit = begin(setup, network, way.forward(network))
    rows = [step(setup, fit) for _ in range(args.iterations)]
    averaged, output = [row.psnr or 0.0 for row in rows], [row.psnr_output or 0.0 for row in rows]
    held, published = (chosen(rule, [getattr(row, field) for row in rows]) for rule, field in COLUMNS)
    fixed = min(PROBLEMS["denoise"].iterations, len(rows)) - 1
    yield {
        "key": key,
        "noisy": pixel_ratio(pixels, clean),
        "best": max(averaged),
        "best_iteration": 1 + int(np.argmax(averaged)),
        "held_out": averaged[held - 1],
        "held_out_iteration": held,
        "variance_published": output[published - 1],
        "variance_averaged": averaged[published - 1],
        "variance_iteration": published,
        "fixed": averaged[fixed],
        "last": averaged[-1],
        "seconds": rows[-1].seconds,
    }


COLUMNS = ((HELD_OUT, "held_out"), (MOVING_VARIANCE, "moving_variance"))


def chosen(name: str, values: Sequence[float | None]) -> int:
    """Return the iteration that a rule chooses."""
    best = Best()
    for iteration, value in enumerate(values, start=1):
        best = best if value is None else best.after(iteration, value)
        if stopped(RULES[name], best, iteration):
            break
    return best.iteration or len(values)


def spread(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Denoise one picture with several seeds, by one run and by two."""
    clean = picture("F16_GT.png", args.side)
    pixels = degraded(clean, "gaussian", 0)
    for runs in (1, 2):
        for seed in range(args.seeds):
            key = f"{runs}-{seed}-{args.side}"
            if key not in args.done:
                found = convworks.restore(pixels, compare=clean, runs=runs, seed=seed, minutes=args.minutes)
                fits = [fit["best_iteration"] for fit in found.record["fits"]]
                yield {"key": key, "psnr": found.record["psnr"][0], "fits": fits, "seconds": found.record["seconds"]}


def tasks(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Restore each picture, by convworks and by methods that need no training."""
    from benchmarks.peers import classic_restoration as classic

    for name, case in cases(args.side).items():
        key = f"{name}-{args.side}"
        if key in args.done:
            continue
        options = {field: case[field] for field in ("mask", "scale") if field in case}
        found = convworks.restore(
            case["pixels"], case["problem"], compare=case["clean"], minutes=args.minutes, **options
        )
        others = classic.restore(case["problem"], case["pixels"], options, case["clean"])
        folder = args.out / f"{name}-{args.side}"
        folder.mkdir(parents=True, exist_ok=True)
        images = {"before": found.before, "convworks": found.image, "clean": case["clean"], **others}
        for method, pixels in images.items():
            Image.fromarray(pixels.squeeze()).save(folder / f"{method}.png")
        ratios = {method: pixel_ratio(pixels, case["clean"]) for method, pixels in images.items() if method != "clean"}
        yield {"key": key, "psnr": ratios, "seconds": found.record["seconds"], "fits": found.record["fits"]}


def cases(side: int) -> dict[str, dict[str, Any]]:
    """Return the pictures, each with what is done to it; masks hide what the pictures show, so the truth is known."""
    kate, library, zebra, plane = (
        picture(name, side) for name in ("kate.png", "library.png", "zebra_GT.png", "F16_GT.png")
    )
    file = io.BytesIO()
    Image.fromarray(plane).save(file, "JPEG", quality=10)
    small = Image.fromarray(zebra).resize((side // 4, side // 4), Image.Resampling.LANCZOS)
    masks = {name: (picture(f"{name}_mask.png", side) > 254) * np.uint8(255) for name in ("kate", "library")}
    return {
        "kate": {
            "problem": "inpaint",
            "pixels": masked(kate, masks["kate"]),
            "mask": masks["kate"][:, :, 0],
            "clean": kate,
        },
        "library": {
            "problem": "inpaint",
            "pixels": masked(library, masks["library"]),
            "mask": masks["library"][:, :, 0],
            "clean": library,
        },
        "zebra": {"problem": "superres", "pixels": np.asarray(small), "scale": 4, "clean": zebra},
        "jpeg": {"problem": "jpeg", "pixels": np.asarray(Image.open(file)), "clean": plane},
        "noise": {"problem": "denoise", "pixels": degraded(plane, "gaussian", 0), "clean": plane},
    }


def masked(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a picture that is black where it is not known."""
    return np.where(mask > 0, pixels, 0).astype(np.uint8)


STUDIES: Mapping[str, Callable[[argparse.Namespace], Iterator[dict[str, Any]]]] = {
    "speed": speed,
    "rules": rules,
    "spread": spread,
    "tasks": tasks,
}


def main() -> None:
    """Run the named study."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.restore", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("name", choices=STUDIES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--iterations", type=int, default=2500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=5.0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / f"{args.name}.jsonl"
    args.done = {json.loads(line)["key"] for line in file.read_text().splitlines()} if file.exists() else set()
    for row in STUDIES[args.name](args):
        with file.open("a") as lines:
            lines.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
