"""`convworks crossval`."""

from __future__ import annotations

from convworks.api.experiments import run_crossval
from convworks.api.request import RunRequest
from convworks.cli.answer import Answer, table
from convworks.cli.experiments.restarts import spread
from convworks.cli.metrics import accuracy_line
from convworks.metrics.spec import headline, written_headline


def run(request: RunRequest, *, folds: int | None, stratified: bool, group_by: str | None) -> Answer:
    """Train once per fold, and report the folds and the pooled predictions."""
    results = run_crossval(request, folds=folds, stratified=stratified, group_by=group_by)
    metric = headline(results["pooled"])
    rows = [
        [
            run["name"],
            written_headline(run["validation"]),
            run["validation"]["n"],
            run["best_epoch"],
            run["seconds"],
        ]
        for run in results["runs"]
    ]
    rows += [
        ["mean", metric.write(results["validation"]["mean"]), "", "", f"{results['training_seconds']['mean']:.1f}"],
        ["sd", spread(results["validation"]["sd"], metric), "", "", ""],
    ]
    lines = [
        table(["fold", metric.title, "images", "epoch", "seconds"], rows),
        accuracy_line("pooled", results["pooled"]),
        f"predictions: {results['predictions']}",
        f"report: {results['report']}",
        f"next:   {results['command']}",
    ]
    return Answer(values=results, text="\n".join(lines))
