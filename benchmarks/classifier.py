"""Networks as convworks builds them against torchvision's modules: the same loop around both."""

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


def classifier(network: str, job: str, workspace: Path) -> Benchmark:
    """Compare one pass in evaluation mode (`forward`) or one step of SGD (`step`), in float32."""
    what = {"forward": "forward pass in evaluation mode", "step": "training step (forward, backward, SGD)"}[job]
    words = [(name, (network, *chosen, job, BATCH, ROUNDS)) for name, chosen in VARIANTS.items()]
    return Benchmark(
        name=f"{network}-{job}",
        job=f"{network}, {what}, batch {BATCH} of 224x224, float32, median of {ROUNDS}, without start-up.",
        variants=tuple(
            Variant(name=name, command=lambda _, a=arguments: script("both/classifier.py", *a), read=last_line)
            for name, arguments in words
        ),
        yardstick="torchvision, channels_last",
        repeats=5,
        amount=BATCH,
        unit="images/s",
        same=("parameters",),
    )


CLASSIFIERS = {
    f"{network}-{job}": partial(classifier, network, job)
    for network in ("resnet50", "googlenet")
    for job in ("forward", "step")
}
