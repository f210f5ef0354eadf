"""`convworks crossval`."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from convworks.api.verbs import crossval
from convworks.cli.answer import Answer, accuracy_line, table
from convworks.cli.experiments.restarts import spread
from convworks.metrics.spec import headline, written_headline


def run(**options: Any) -> Answer:
    """Train once a fold, and say what all images come to."""
    found = crossval(command=shlex.join(["convworks", *sys.argv[1:]]), **options)
    metric = headline(found["pooled"])
    rows = [
        [
            run["name"],
            written_headline(run["validation"]),
            run["validation"]["n"],
            run["best_epoch"],
            run["seconds"],
        ]
        for run in found["runs"]
    ]
    rows += [
        ["mean", metric.write(found["validation"]["mean"]), "", "", f"{found['training_seconds']['mean']:.1f}"],
        ["sd", spread(found["validation"]["sd"], metric), "", "", ""],
    ]
    lines = [
        table(["fold", metric.title, "images", "epoch", "seconds"], rows),
        accuracy_line("pooled", found["pooled"]),
        f"predictions: {found['predictions']}",
        f"report: {found['report']}",
        f"next:   {found['command']}  (one network from all images)",
    ]
    return Answer(values=found, text="\n".join(lines))
