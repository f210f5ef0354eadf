"""Experiments whose jobs are known from the start; the first failure ends them."""

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
from convworks.training.folder import history, saved_score


def carry_out_all(
    experiment: Experiment, folder: Path, jobs: Sequence[Job], workers: int | str, *, rivals: bool = True
) -> dict[str, Outcome]:
    """Run all jobs; show which is the best so far, if they are `rivals`; raise the error of the first that fails."""
    outcomes: dict[str, Outcome] = {}
    metric = experiment.config.training.best
    with show(len(jobs)) as display:

        def report(name: str, share: float, epoch: Mapping[str, Any] | None) -> bool:
            display.moved(name, share, epoch)
            return True

        def ended(job: Job, outcome: Outcome) -> None:
            if outcome.status == "interrupted":
                raise RunInterruptedError(job.name, "interrupted")
            if outcome.status != "finished":
                raise outcome.exception(job.name)
            outcomes[job.name] = outcome
            if not rivals:
                display.finish(job.name, f"{accuracies(outcome.results)}, {last_seconds(folder / job.name):.1f} s", "")
                return
            training = experiment.config.training
            scores = {name: score(folder / name, each.results, training) for name, each in outcomes.items()}
            best = (max if spec(metric).better == "higher" else min)(scores, key=lambda name: scores[name])
            summary = f"{accuracies(outcome.results)}, {last_seconds(folder / job.name):.1f} s"
            display.finish(job.name, summary, f"{spec(metric).write(scores[best])} ({best})")

        carry_out(jobs, folder, workers=workers, total=len(jobs), report=report, ended=ended)
    return outcomes


def row(experiment: Experiment, folder: Path, name: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table row of a finished run; `score` is the validation metric of its saved epoch."""
    run = folder / name
    return {
        "name": name,
        "run": str(run),
        "bundle": str(run / "bundle"),
        "epochs": results["epochs"],
        "best_epoch": results["best_epoch"],
        "seconds": last_seconds(run),
        "score": score(run, results, experiment.config.training),
        "validation": results["validation"],
        "test": results["test"],
    }


def score(run: Path, results: Mapping[str, Any], training: TrainingConfig) -> float:
    """Return the validation metric `training.best` of the epoch that a finished run saved."""
    return saved_score(results, history(run), training.best)


def last_seconds(run: Path) -> float:
    """Return the training time of a run, over all interruptions."""
    return float(history(run)[-1]["seconds"])


def accuracies(results: Mapping[str, Any]) -> str:
    """Format the headline metrics (accuracy, mAP or PSNR) of a run."""
    splits = [split for split in ("validation", "test") if results[split]]
    return ", ".join(f"{split} {written_headline(results[split])}" for split in splits)
