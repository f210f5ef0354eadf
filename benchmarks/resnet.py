"""ResNet-50 as convworks builds it against torchvision's module: the same loop, the same weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.measure import Benchmark, Variant, last_line, script

BATCH, ROUNDS = 8, 8
VARIANTS = {
    "convworks, channels_last": ("convworks", "channels_last"),
    "torchvision, channels_last": ("torchvision", "channels_last"),
    "convworks, contiguous": ("convworks", "contiguous"),
    "torchvision, contiguous": ("torchvision", "contiguous"),
}


def resnet50(job: str, workspace: Path) -> Benchmark:
    """Compare one pass in evaluation mode (`forward`) or one step of SGD (`step`), in float32."""
    what = {"forward": "forward pass in evaluation mode", "step": "training step (forward, backward, SGD)"}[job]
    words = [(name, (*chosen, job, BATCH, ROUNDS)) for name, chosen in VARIANTS.items()]
    return Benchmark(
        name=f"resnet50-{job}",
        job=f"ResNet-50 (v1.5), {what}, batch {BATCH} of 224x224, float32, median of {ROUNDS}, without start-up.",
        variants=tuple(
            Variant(name=name, command=lambda _, a=arguments: script("both/resnet50.py", *a), read=last_line)
            for name, arguments in words
        ),
        yardstick="torchvision, channels_last",
        repeats=5,
        amount=BATCH,
        unit="images/s",
        same=("parameters", "loss"),
    )


resnet50_forward = partial(resnet50, "forward")
resnet50_step = partial(resnet50, "step")
