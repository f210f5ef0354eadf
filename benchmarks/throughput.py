"""From the data in memory to updated weights: plain PyTorch, Lightning and Keras against the engine of convworks."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.measure import Benchmark, Variant, last_line, script


class Job(NamedTuple):
    """A network, the shape of its images (which are padded to 32x32), the batch size, and how many steps are timed."""

    model: str
    shape: tuple[int, int, int]
    batch_size: int
    steps: int


JOBS = {
    "train-resnet20": Job("resnet20", (32, 32, 3), 128, 60),
    "train-lenet": Job("lenet5_modern", (28, 28, 1), 128, 200),
}
IMAGES = 10_000


FRAMEWORKS = {"lightning": "Lightning", "keras": "Keras on PyTorch"}


def frameworks(workspace: Path) -> Benchmark:
    """Do as `throughput` for ResNet-20, and time the loops of other frameworks on the same data besides."""
    base = throughput("train-resnet20", workspace)
    job = JOBS["train-resnet20"]
    frameworks_variants = tuple(
        Variant(
            name=f"{title}: float32, the same DataLoader",
            command=partial(
                lambda script_name, _: script(
                    f"peers/{script_name}_throughput.py", workspace, job.model, job.batch_size, job.steps
                ),
                name,
            ),
            read=last_line,
        )
        for name, title in FRAMEWORKS.items()
    )
    return replace(
        base, name="train-resnet20-frameworks", variants=(base.variants[0], *base.variants[2:], *frameworks_variants)
    )


def throughput(name: str, workspace: Path) -> Benchmark:
    """Time steps of training: augmentation, forward, backward, update."""
    job = JOBS[name]
    write_images(job.shape, workspace)
    peer = "plain PyTorch loop: float32, DataLoader with 2 workers, torchvision transforms"
    numbers, size = (job.model, job.batch_size, job.steps), "x".join(map(str, job.shape))
    return Benchmark(
        name=name,
        job=f"{job.model}, {job.steps} steps of {job.batch_size} images of {size}, without start-up.",
        variants=(
            Variant(
                name="convworks",
                command=lambda _: script("convworks_side/throughput.py", workspace, *numbers, "fit"),
                read=last_line,
            ),
            Variant(
                name="convworks, bare loop over its step",
                command=lambda _: script("convworks_side/throughput.py", workspace, *numbers, "bare"),
                read=last_line,
            ),
            Variant(
                name=peer, command=lambda _: script("peers/plain_throughput.py", workspace, *numbers), read=last_line
            ),
        ),
        yardstick=peer,
        repeats=5,
        amount=job.batch_size * job.steps,
        unit="images/s",
        same=("parameters",),
    )


def write_images(shape: tuple[int, int, int], workspace: Path) -> None:
    """Write random images [n, h, w, c] and labels for all variants."""
    rng = np.random.default_rng(0)
    np.save(workspace / "images.npy", rng.integers(0, 256, (IMAGES, *shape), dtype=np.uint8))
    np.save(workspace / "labels.npy", rng.integers(0, 10, IMAGES))


THROUGHPUT = {**{name: partial(throughput, name) for name in JOBS}, "train-resnet20-frameworks": frameworks}
