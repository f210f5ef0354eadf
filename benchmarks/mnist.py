"""From start to a trained and tested network: MNIST in seconds."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Benchmark, BenchmarkError, Facts, Variant, data, last_line, program, script
from convworks.losses.config import CrossEntropy
from convworks.recipes import recipe
from convworks.training.schedules.config import OneCycle


def mnist(workspace: Path) -> Benchmark:
    """Compare `convworks train mnist/fast`, report included, with a plain PyTorch script without one.

    Both train the same network for the same epochs on the same 55,000 images, validate after each epoch, and test.
    """
    return Benchmark(
        name="mnist",
        job="MNIST from prompt to prompt: train, validate, test; convworks also writes its report.",
        variants=(
            Variant(
                name="convworks train mnist/fast",
                command=lambda seed: [program("convworks"), *_arguments(workspace, seed)],
                read=_read,
            ),
            Variant(
                name="plain PyTorch, DataLoader with 2 workers, float32",
                command=_plain(workspace),
                read=last_line,
            ),
        ),
        yardstick="plain PyTorch, DataLoader with 2 workers, float32",
        repeats=5,
        same=("parameters",),
    )


def _arguments(workspace: Path, seed: int) -> list[str]:
    """Return the arguments of a run in a new folder."""
    run = workspace / "runs" / str(seed)
    shutil.rmtree(run, ignore_errors=True)
    return ["train", "mnist/fast", "--seed", str(seed), "--out", str(run), "--json"]


def _read(output: str) -> Facts:
    """Return the results of a run of convworks, without its own seconds, which exclude start-up."""
    results = json.loads(output)
    record = json.loads((Path(results["run"]) / "run.json").read_text(encoding="utf-8"))
    if not Path(results["report"]).is_file():
        raise BenchmarkError(f"no report at {results['report']}")
    return {
        "test_top1": float(results["test"]["top1"]),
        "parameters": record["parameters"],
        "precision": record["precision"],
    }


def _plain(workspace: Path) -> Callable[[int], list[str]]:
    """Return the command of the plain script, with the hyperparameters of the recipe."""
    raw = workspace / "MNIST" / "raw"  # where torchvision looks for the unpacked files
    raw.mkdir(parents=True)
    for file in sorted((data() / "mnist").glob("*.gz")):
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    config = recipe("mnist/fast")
    training, schedule, loss = config.training, config.training.schedule, config.training.loss
    if not isinstance(schedule, OneCycle) or not isinstance(loss, CrossEntropy):
        raise BenchmarkError("the recipe has changed; change benchmarks/peers/plain_mnist.py with it")
    options = {
        "epochs": training.epochs,
        "batch-size": training.batch_size,
        "peak": schedule.rate,
        "warmup": schedule.rise,
        "smoothing": loss.smoothing,
        "weight-decay": training.optimizer.weight_decay,
        "validation": config.data.validation_limit,
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return lambda seed: script("peers/plain_mnist.py", workspace, *arguments, "--seed", seed)
