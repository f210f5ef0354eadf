"""`convworks tune`."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from convworks.api.verbs import tune
from convworks.cli.answer import Answer, table

SHOWN = 10


def run(**options: Any) -> Answer:
    """Search, and say which configuration was the best."""
    found = tune(command=shlex.join(["convworks", *sys.argv[1:]]), **options)
    best = found["best"]
    fields = list(best["values"])
    from convworks.experiments.tuned import ranked

    ordered = ranked(found["trials"], found["metric"])
    rows = [
        [
            trial["name"],
            "" if trial["value"] is None else f"{trial['value']:.4f}",
            trial["state"],
            trial["epochs"],
            *(_short(trial["values"].get(field, "")) for field in fields),
        ]
        for trial in ordered[:SHOWN]
    ]
    lines = [
        table(["trial", found["metric"], "state", "epochs", *fields], rows),
        *([f"... and {len(ordered) - SHOWN} more in the report"] if len(ordered) > SHOWN else []),
        f"bundle: {best['bundle']}",
        f"report: {found['report']}",
        f"next:   {best['command']}",
    ]
    return Answer(values=found, text="\n".join(lines))


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
