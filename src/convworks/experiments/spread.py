"""Mean, spread and best of the runs of an experiment."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, sample standard deviation (None of a single value), lowest and highest."""
    return {
        "mean": statistics.fmean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "lowest": min(values),
        "highest": max(values),
    }


def told(found: dict[str, Any]) -> str:
    """Write mean and standard deviation in percent."""
    return f"{found['mean']:.2%}" + (f" ± {100 * found['sd']:.2f}" if found["sd"] is not None else "")
