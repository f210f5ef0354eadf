"""`convworks tune`."""

from __future__ import annotations

from typing import Any

from convworks.api.experiments import run_tune
from convworks.api.request import RunRequest
from convworks.cli.answer import Answer, table
from convworks.cli.metrics import accuracy_line

SHOWN = 10


def run(request: RunRequest, **options: Any) -> Answer:
    """Search, and report the best configurations."""
    results = run_tune(request, **options)
    best = results["best"]
    fields = list(best["values"])
    from convworks.experiments.tuned import ranked

    ordered = ranked(results["trials"], results["metric"])
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
        table(["trial", results["metric"], "state", "epochs", *fields], rows),
        *([f"... and {len(ordered) - SHOWN} more in the report"] if len(ordered) > SHOWN else []),
        *([f"{accuracy_line('test', results['test'])}, of {best['name']} alone"] if results["test"] else []),
        f"bundle: {best['bundle']}",
        f"report: {results['report']}",
        *(["the trials were short; the next command trains for all epochs of the recipe"] if best["longer"] else []),
        f"next:   {best['command']}",
    ]
    return Answer(values=results, text="\n".join(lines))


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
