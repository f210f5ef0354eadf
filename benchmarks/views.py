"""The cost of protocols: a centre crop, ten crops, and dense evaluation of a larger image."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.measure import Benchmark, Variant, last_line, script

NETWORKS = ("vgg_d", "resnet50")
VARIANTS = {
    "center: one view of 224x224": "center",
    "dense: the whole 291x291, once": "dense",
    "ten-crop": "ten-crop",
}


def views(network: str, workspace: Path) -> Benchmark:
    """Compare protocols on images of 1.3 times the network's size, in each direction."""
    yardstick, *_ = VARIANTS
    return Benchmark(
        name=f"views-{network}",
        job=f"{network}, untrained: 32 images of 291x291 in memory, without start-up.",
        variants=tuple(
            Variant(
                name=name,
                command=lambda _, protocol=protocol: script("convworks_side/protocol.py", network, "--views", protocol),
                read=last_line,
            )
            for name, protocol in VARIANTS.items()
        ),
        yardstick=yardstick,
        repeats=5,
        amount=32,
        unit="images/s",
        same=("images",),
    )


VIEWS = {f"views-{network}": partial(views, network) for network in NETWORKS}
