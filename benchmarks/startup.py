"""How long the command line takes to answer anything at all."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from benchmarks.measure import Benchmark, Variant, program


def startup(workspace: Path) -> Benchmark:
    """Compare `convworks --help` with importing torch, which a tool that is careless about it does first."""
    return Benchmark(
        name="startup",
        job="From prompt to prompt, files in the cache.",
        variants=(
            Variant(name="convworks --help", command=lambda _: [program("convworks"), "--help"]),
            Variant(name="import torch", command=lambda _: [sys.executable, "-c", "import torch"]),
            *(
                Variant(name=f"import {name}", command=partial(_import, name))
                for name in ("torchvision", "timm", "lightning", "keras")
            ),
            Variant(name="python alone", command=lambda _: [sys.executable, "-c", "pass"]),
        ),
        yardstick="import torch",
        repeats=15,
    )


def _import(name: str, _: int) -> list[str]:
    return ["env", "KERAS_BACKEND=torch", sys.executable, "-c", f"import {name}"]
