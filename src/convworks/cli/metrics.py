"""The metrics of a split as a line of text."""

from __future__ import annotations

from typing import Any

from convworks.errors import counted
from convworks.metrics.spec import METRICS, MetricSpec, headline


def accuracy_line(name: str, metrics: dict[str, Any]) -> str:
    """Describe the metrics of a split by the headline metric, with its interval or what explains it."""
    first = headline(metrics)
    value = metrics[first.name]
    ends = metrics.get("interval") or metrics.get("intervals", {}).get(first.name)
    details = [f"95 % interval {first.write(ends[0])} to {first.write(ends[1])}"] if ends else []
    for metric in METRICS.values():
        if metric.interval is None and metric is not first and metric.name in metrics:
            details.append(f"{metric.heading.lower()} {metrics[metric.name]:.4g}")
    if "corruption" in metrics:
        details.append(f"{metrics['corruption']}: {_or_infinite(first, metrics[f'{first.name}_read'])} before")
    details.append(counted(metrics["n"], "image"))
    return f"{name}: {first.title} {_or_infinite(first, value)} ({', '.join(details)})"


def _or_infinite(metric: MetricSpec, value: float | None) -> str:
    return "infinite" if value is None else metric.write(value)
