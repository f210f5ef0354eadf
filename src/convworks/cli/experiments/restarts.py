"""`convworks restarts`."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from convworks.api.verbs import restarts
from convworks.cli.answer import Answer, percent, table
from convworks.metrics.spec import headline, headline_value, spec


def run(**options: Any) -> Answer:
    """Train from several seeds, and compare them with each other and with their ensemble."""
    found = restarts(command=shlex.join(["convworks", *sys.argv[1:]]), **options)
    splits = [split for split in ("validation", "test") if split in found]
    metric = "" if (name := headline(found["ensemble"][splits[0]]).name) == "top1" else f" {spec(name).title}"
    rows = [
        [
            run["name"],
            *(percent(headline_value(run[split])) for split in splits),
            run["best_epoch"],
            f"{run['seconds']:.1f}",
            "best" if run["name"] == found["best"] else "",
        ]
        for run in found["runs"]
    ]
    seconds = found["training_seconds"]
    rows += [
        ["mean", *(percent(found[split]["mean"]) for split in splits), "", f"{seconds['mean']:.1f}", ""],
        ["sd", *(spread(found[split]["sd"]) for split in splits), "", _plain(seconds["sd"]), ""],
        ["ensemble", *(percent(headline_value(found["ensemble"][split])) for split in splits), "", "", ""],
    ]
    bundles = shlex.join(found["ensemble"]["bundles"])
    lines = [
        table(["run", *(f"{split}{metric}" for split in splits), "epoch", "seconds", ""], rows),
        f"folder: {found['experiment']}",
        f"report: {found['report']}",
        f"next:   convworks evaluate {bundles} --data SOURCE",
    ]
    return Answer(values=found, text="\n".join(lines))


def spread(value: float | None) -> str:
    """Write a standard deviation in percentage points."""
    return "" if value is None else f"{100 * value:.2f}%"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
