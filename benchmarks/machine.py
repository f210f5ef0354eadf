"""What the numbers were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PEERS = ("torchvision", "timm")


def describe() -> dict[str, Any]:
    """Describe processor, cores, load, memory, versions, and the precision that convworks chooses here."""
    import torch

    from convworks.hardware import choose_device, choose_precision, environment

    device = choose_device("auto")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **environment(device),
        **{name: importlib.metadata.version(name) for name in PEERS},
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "torch_build": torch.__version__,
        "precision": str(choose_precision("auto", device)).removeprefix("torch."),
        "load_average_before": [round(load, 2) for load in os.getloadavg()],
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "uncommitted_changes": _changed(),
    }


def is_busy(machine: dict[str, Any]) -> bool:
    """Tell whether other work took more than a quarter of a core in the last minute."""
    return bool(machine["load_average_before"][0] > 0.25)


def line(machine: dict[str, Any]) -> str:
    """Return the description as one sentence for people."""
    peers = ", ".join(f"{name} {machine[name]}" for name in PEERS)
    changed = ", uncommitted changes" if machine["uncommitted_changes"] else ""
    gpu = f", {machine['gpu']}" if "gpu" in machine else ""
    return (
        f"{machine['processor']}, {machine['cores']} usable, {machine['memory_gib']} GiB{gpu}; {machine['system']}; "
        f"Python {machine['python']}, torch {machine['torch_build']} with {machine['threads']} threads, {peers}; "
        f"convworks {machine['convworks']} ({(machine['git'] or 'no checkout')[:9]}{changed}) "
        f"computes in {machine['precision']}; load average before: {machine['load_average_before'][0]}; {machine['date']}"
    )


def _changed() -> bool | None:
    """Tell whether the checkout differs from its revision; None where there is none."""
    try:
        words = ["git", "-C", str(Path(__file__).parent), "status", "--porcelain"]
        found = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return bool(found.stdout.strip())
