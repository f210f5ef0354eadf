"""What the rules of a verdict look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convworks.losses.lowest import smoothing_effect
from convworks.metrics.spec import TOP1, MetricSpec
from convworks.pages.verdict import Finding
from convworks.tasks.again import Again
from convworks.tasks.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the rules look at.

    Attributes:
        metric: the headline metric of the task.
        train: metrics on training images, without augmentation.
        validation, metrics: outcome of the validation split, and its metrics. Rules judge these: the test split is
            never used to choose what to try.
        reported: metrics of the split that the report is about, whose name is `split`.
        images: training images.
        counts: training images of each class; of multi-label images each counts for all its classes.
        history: a row for each epoch; empty for a network that was fitted at once.
        shortened: whether the run was resumed with fewer epochs than it was begun with.
        resume: the command that completes a run which was ended before its last epoch; empty for the others.
        config: configuration of the run; `size` and `channels` are those of the network's input.
        again: the command of the run.
    """

    metric: MetricSpec
    train: Mapping[str, float]
    validation: Outcome
    metrics: Mapping[str, Any]
    reported: Mapping[str, Any]
    split: str
    images: int
    counts: Sequence[int]
    history: Sequence[Mapping[str, Any]]
    shortened: bool = False
    resume: str = ""
    config: Any
    size: tuple[int, int]
    channels: int
    again: Again


Rule = Callable[[Evidence], Finding | None]


def measured(evidence: Evidence) -> str:
    """Return a line with the metric on each split."""
    metric = evidence.metric
    values = {"training images, without augmentation": evidence.train, "validation": evidence.metrics}
    if evidence.split not in values:
        values[evidence.split] = evidence.reported
    parts = [
        f"{metric.write(v[metric.name])} on {name}" for name, v in values.items() if v.get(metric.name) is not None
    ]
    line = f"{metric.heading or metric.title}: {', '.join(parts)}." if parts else ""
    return " ".join(filter(None, (line, smoothing_effect(evidence.config.training.loss, len(evidence.counts)))))


def interval(metrics: Mapping[str, Any], metric: MetricSpec) -> tuple[float, float]:
    """Return the 95 % interval of a metric; without one, the value itself twice."""
    ends = metrics.get("intervals", {}).get(metric.name) or (metrics.get("interval") if metric is TOP1 else None)
    low, high = ends or (metrics[metric.name],) * 2
    return float(low), float(high)
