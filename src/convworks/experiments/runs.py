"""Runs of an experiment whose jobs are known from the start: carried out, shown, counted; the first failure ends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convworks.experiments.carry_out import carry_out
from convworks.experiments.job import Job, Outcome
from convworks.experiments.record import Experiment
from convworks.experiments.show import show
from convworks.metrics.spec import spec, written_headline
from convworks.training.checkpoints.recorder import RunInterruptedError
from convworks.training.config import TrainingConfig
from convworks.training.folder import history


def carry_out_all(
    experiment: Experiment, place: Path, jobs: Sequence[Job], workers: int | str, *, rivals: bool = True
) -> dict[str, Outcome]:
    """Carry out all jobs, and tell which is the best so far of `rivals`; raise the error of the first that fails."""
    outcomes: dict[str, Outcome] = {}
    metric = experiment.config.training.best
    with show(len(jobs)) as shown:

        def tell(name: str, share: float, epoch: Mapping[str, Any] | None) -> bool:
            shown.moved(name, share, epoch)
            return True

        def ended(job: Job, outcome: Outcome) -> None:
            if outcome.status == "interrupted":
                raise RunInterruptedError(job.name, "interrupted")
            if outcome.status != "finished":
                raise outcome.exception(job.name)
            outcomes[job.name] = outcome
            if not rivals:
                shown.finish(job.name, f"{accuracies(outcome.results)}, {last_seconds(place / job.name):.1f} s", "")
                return
            reached = {name: score(place / name, experiment.config.training) for name in outcomes}
            best = (max if spec(metric).better == "higher" else min)(reached, key=lambda name: reached[name])
            said = f"{accuracies(outcome.results)}, {last_seconds(place / job.name):.1f} s"
            shown.finish(job.name, said, f"{spec(metric).write(reached[best])} ({best})")

        carry_out(jobs, place, workers=workers, total=len(jobs), tell=tell, ended=ended)
    return outcomes


def row(experiment: Experiment, place: Path, name: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table tells of a finished run; `score` is what chose its checkpoint."""
    run = place / name
    return {
        "name": name,
        "run": str(run),
        "bundle": str(run / "bundle"),
        "epochs": results["epochs"],
        "best_epoch": results["best_epoch"],
        "seconds": last_seconds(run),
        "score": score(run, experiment.config.training),
        "validation": results["validation"],
        "test": results["test"],
    }


def score(run: Path, training: TrainingConfig) -> float:
    """Return what the epoch that a run kept reached on validation, by the metric that `best` names."""
    values = [float(epoch[f"validation_{training.best}"]) for epoch in history(run)]
    if training.kept == "last":
        return values[-1]
    return max(values) if spec(training.best).better == "higher" else min(values)


def last_seconds(run: Path) -> float:
    """Return the time that a run trained, over all its interruptions."""
    return float(history(run)[-1]["seconds"])


def accuracies(results: Mapping[str, Any]) -> str:
    """Write the accuracies (or mAP, or PSNR) of a run."""
    splits = [split for split in ("validation", "test") if results[split]]
    return ", ".join(f"{split} {written_headline(results[split])}" for split in splits)
