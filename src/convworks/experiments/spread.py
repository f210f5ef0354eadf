"""Mean and spread over the runs of an experiment."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from convworks.metrics.spec import MetricSpec


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, sample standard deviation (None for a single value), lowest and highest."""
    return {
        "mean": statistics.fmean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "lowest": min(values),
        "highest": max(values),
    }


def written(values: dict[str, Any], metric: MetricSpec) -> str:
    """Format mean and standard deviation of a metric."""
    if values["sd"] is None:
        return metric.write(values["mean"])
    return f"{metric.write(values['mean'])} ± {deviation(values['sd'], metric)}"


def deviation(sd: float, metric: MetricSpec) -> str:
    """Format a standard deviation: for fractions, in percentage points."""
    return f"{100 * sd:.2f}" if metric.unit == "fraction" else metric.write(sd)
