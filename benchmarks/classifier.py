"""Networks of convworks against those of torchvision, in the same loop."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.measure import Benchmark, Variant, last_line, script

BATCH, ROUNDS = 8, 8
DEFAULTS = {
    "forward": {"convworks for prediction, channels_last": ("convworks", "channels_last", "folded")},
    "step": {"convworks as it trains here, channels_last": ("convworks", "channels_last", "bfloat16")},
}
VARIANTS = {
    "convworks, channels_last": ("convworks", "channels_last", "as built"),
    "torchvision, channels_last": ("torchvision", "channels_last", "as built"),
    "convworks, contiguous": ("convworks", "contiguous", "as built"),
    "torchvision, contiguous": ("torchvision", "contiguous", "as built"),
}


def classifier(network: str, job: str, workspace: Path) -> Benchmark:
    """Compare one pass in evaluation mode (`forward`) or one step of SGD (`step`), in float32.

    For prediction, convworks folds batch normalisation into the convolutions, as `convworks.load` does; it trains with
    bfloat16 products where the processor has them, as here.
    """
    pass_text = {"forward": "forward pass in evaluation mode", "step": "training step (forward, backward, SGD)"}[job]
    variants = {**DEFAULTS[job], **VARIANTS}
    commands = [(name, (network, *chosen, job, BATCH, ROUNDS)) for name, chosen in variants.items()]
    return Benchmark(
        name=f"{network}-{job}",
        job=f"{network}, {pass_text}, batch {BATCH} of 224x224, median of {ROUNDS}, without start-up.",
        variants=tuple(
            Variant(name=name, command=lambda _, a=arguments: script("side_by_side/classifier.py", *a), read=last_line)
            for name, arguments in commands
        ),
        yardstick="torchvision, channels_last",
        repeats=7,
        amount=BATCH,
        unit="images/s",
        same=("parameters",),
    )


CLASSIFIERS = {
    f"{network}-{job}": partial(classifier, network, job)
    for network in ("resnet50", "googlenet")
    for job in ("forward", "step")
}
