"""`convworks restarts`."""

from __future__ import annotations

from convworks.api.experiments import run_restarts
from convworks.api.request import RunRequest
from convworks.cli.answer import Answer, table
from convworks.metrics.spec import TOP1, MetricSpec, headline, written_headline


def run(request: RunRequest, *, runs: int | None) -> Answer:
    """Train from several seeds, and compare the runs with each other and with their ensemble."""
    results = run_restarts(request, runs=runs)
    splits = [split for split in ("validation", "test") if split in results]
    metric = headline(results["ensemble"][splits[0]])
    title = "" if metric is TOP1 else f" {metric.title}"
    rows = [
        [
            run["name"],
            *(written_headline(run[split]) for split in splits),
            run["best_epoch"],
            f"{run['seconds']:.1f}",
            "best" if run["name"] == results["best"] else "",
        ]
        for run in results["runs"]
    ]
    seconds = results["training_seconds"]
    rows += [
        ["mean", *(metric.write(results[split]["mean"]) for split in splits), "", f"{seconds['mean']:.1f}", ""],
        ["sd", *(spread(results[split]["sd"], metric) for split in splits), "", _plain(seconds["sd"]), ""],
        ["ensemble", *(written_headline(results["ensemble"][split]) for split in splits), "", "", ""],
    ]
    lines = [
        table(["run", *(f"{split}{title}" for split in splits), "epoch", "seconds", ""], rows),
        f"folder: {results['experiment']}",
        f"report: {results['report']}",
        f"next:   {results['next']}",
    ]
    return Answer(values=results, text="\n".join(lines))


def spread(value: float | None, metric: MetricSpec) -> str:
    """Write a standard deviation."""
    return "" if value is None else metric.write(value)


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
