"""Description of the machine."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PEERS = ("torchvision", "timm", "segmentation_models_pytorch", "lightning", "keras", "litserve")


def describe() -> dict[str, Any]:
    """Describe processor, cores, load, memory, versions, and the precision that convworks chooses.

    In a separate process, since the peak memory of a child starts from its parent's.
    """
    load = [round(value, 2) for value in os.getloadavg()]
    command = [sys.executable, "-m", "benchmarks.machine"]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[1])
    return {**json.loads(process.stdout), "load_average_before": load}


def _inspect() -> dict[str, Any]:
    import torch

    from convworks.hardware import choose_device, choose_precision, environment

    device = choose_device("auto")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **environment(device),
        **{name: importlib.metadata.version(name) for name in PEERS if find_spec(name) is not None},
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "torch_build": torch.__version__,
        "precision": str(choose_precision("auto", device)).removeprefix("torch."),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "uncommitted_changes": _has_changes(),
    }


def is_busy(machine: dict[str, Any]) -> bool:
    """Return whether other work took more than a quarter of a core in the last minute."""
    return bool(machine["load_average_before"][0] > 0.25)


def line(machine: dict[str, Any]) -> str:
    """Return the description as one sentence."""
    peers = "".join(f", {name} {machine[name]}" for name in PEERS if name in machine)
    gpu = f", {machine['gpu']}" if "gpu" in machine else ""
    revision = (machine["git"] or "no checkout")[:9] + (
        ", uncommitted changes" if machine["uncommitted_changes"] else ""
    )
    return "; ".join(
        [
            f"{machine['processor']}, {machine['cores']} usable, {machine['memory_gib']} GiB{gpu}",
            f"{machine['system']}, Python {machine['python']}",
            f"torch {machine['torch_build']} with {machine['threads']} threads{peers}",
            f"convworks {machine['convworks']} ({revision}), which computes in {machine['precision']}",
            f"load average before: {machine['load_average_before'][0]}",
            machine["date"],
        ]
    )


def _has_changes() -> bool | None:
    """Return whether the checkout has uncommitted changes; None outside a checkout."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), "status", "--porcelain"]
        process = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return bool(process.stdout.strip())


if __name__ == "__main__":
    print(json.dumps(_inspect()))
