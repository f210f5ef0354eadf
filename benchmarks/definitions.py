"""The definitions of convworks.ops against PyTorch's kernels at the same precision."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Benchmark, Variant, last_line, script


def definitions(workspace: Path) -> Benchmark:
    """Compare one convolution, forward, backward message and parameter gradient, in float64."""
    return Benchmark(
        name="definitions",
        job="3x3 convolution, 64 to 64 channels, 56x56, batch 8, forward and both gradients, without start-up.",
        variants=(
            Variant(
                name="convworks.ops.cross_correlation",
                command=lambda _: script("convworks_side/convolution.py"),
                read=last_line,
            ),
            Variant(name="torch, float64", command=lambda _: script("peers/torch_convolution.py"), read=last_line),
        ),
        yardstick="torch, float64",
        repeats=7,
        same=("checksum",),
    )
