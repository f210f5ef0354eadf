"""Local response normalisation of convworks.layers against PyTorch's module."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.measure import Benchmark, Variant, last_line, script


def lrn(job: str, workspace: Path) -> Benchmark:
    """Compare `forward`, or `training`: forward and backward."""
    pass_text = {"forward": "forward", "training": "forward and backward"}[job]
    names = {"convworks LocalResponseNormalisation": "convworks", "torch.nn.LocalResponseNorm": "torch"}
    return Benchmark(
        name=f"lrn-{job}",
        job=f"Local response normalisation, {pass_text}: AlexNet's maps, batch 32, both layouts, without start-up.",
        variants=tuple(
            Variant(name=name, command=lambda _, a=library: script("side_by_side/response.py", a, job), read=last_line)  # type: ignore[misc]
            for name, library in names.items()
        ),
        yardstick="torch.nn.LocalResponseNorm",
        repeats=5,
        same=("checksum",),
    )


lrn_forward = partial(lrn, "forward")
lrn_training = partial(lrn, "training")
