"""`convworks restarts`."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from convworks.api.verbs import restarts
from convworks.cli.answer import Answer, table
from convworks.metrics.spec import TOP1, MetricSpec, headline, written_headline


def run(**options: Any) -> Answer:
    """Train from several seeds, and compare them with each other and with their ensemble."""
    found = restarts(command=shlex.join(["convworks", *sys.argv[1:]]), **options)
    splits = [split for split in ("validation", "test") if split in found]
    metric = headline(found["ensemble"][splits[0]])
    title = "" if metric is TOP1 else f" {metric.title}"
    rows = [
        [
            run["name"],
            *(written_headline(run[split]) for split in splits),
            run["best_epoch"],
            f"{run['seconds']:.1f}",
            "best" if run["name"] == found["best"] else "",
        ]
        for run in found["runs"]
    ]
    seconds = found["training_seconds"]
    rows += [
        ["mean", *(metric.write(found[split]["mean"]) for split in splits), "", f"{seconds['mean']:.1f}", ""],
        ["sd", *(spread(found[split]["sd"], metric) for split in splits), "", _plain(seconds["sd"]), ""],
        ["ensemble", *(written_headline(found["ensemble"][split]) for split in splits), "", "", ""],
    ]
    bundles = shlex.join(found["ensemble"]["bundles"])
    lines = [
        table(["run", *(f"{split}{title}" for split in splits), "epoch", "seconds", ""], rows),
        f"folder: {found['experiment']}",
        f"report: {found['report']}",
        f"next:   convworks evaluate {bundles} --data SOURCE",
    ]
    return Answer(values=found, text="\n".join(lines))


def spread(value: float | None, metric: MetricSpec) -> str:
    """Write a standard deviation."""
    return "" if value is None else metric.write(value)


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
