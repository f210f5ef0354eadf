"""A Ray cluster, started with `ray start`."""

from __future__ import annotations

import logging
from typing import Any

from convworks.errors import InputError

RAY = "ray"
START = "start one with `ray start --head`, and on other machines `ray start --address=HEAD:6379`"


def connect() -> Any:
    """Return the ray module, connected to the running cluster; InputError without Ray, or without a cluster."""
    try:
        import ray
    except ImportError:
        raise InputError("--workers ray", "Ray is not installed", 'pip install "convworks[cluster]"') from None
    if not ray.is_initialized():
        try:
            ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError) as error:
            reason = f"no Ray cluster is running ({str(error).splitlines()[0]})"
            raise InputError("--workers ray", reason, START) from None
    return ray


def shares(ray: Any, total: int) -> tuple[int, dict[str, float]]:
    """Return the number of concurrent tasks, of `total`, and the resources of each.

    These are one GPU, or an equal share of the cores.
    """
    resources = ray.cluster_resources()
    gpus, cores = int(resources.get("GPU", 0)), max(1, int(resources.get("CPU", 1)))
    if gpus:
        return gpus, {"num_gpus": 1, "num_cpus": 1}
    least = min((int(node["Resources"].get("CPU", 0)) or cores for node in ray.nodes() if node["Alive"]), default=cores)
    each = max(1, min(least, cores // min(total, cores)))
    return max(1, cores // each), {"num_cpus": each}
