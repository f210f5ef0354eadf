"""The same run from several seeds: the spread of the results, the best run, and the ensemble of all."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from convworks.data.sources.open import open_source
from convworks.experiments.command import resume_command
from convworks.experiments.job import Job, Outcome, make_job
from convworks.experiments.members import ensemble
from convworks.experiments.page import Content, write_page
from convworks.experiments.record import Experiment, absolute, extended, opened, read, write
from convworks.experiments.runs import carry_out_all, row
from convworks.experiments.spread import deviation, spread, written
from convworks.experiments.views import overlaid, scored, scores
from convworks.metrics.spec import MetricSpec, headline, headline_value, spec, written_headline
from convworks.report.next_step import evaluate_command
from convworks.tasks.outcome import Combined
from convworks.training.config import RunConfig
from convworks.training.folder import history
from convworks.training.run_data import divided

KIND = "restarts"
OPTIONS = {"runs": int, "first": int}


def restarts(
    config: RunConfig, *, runs: int, train: str, command: str, out: Path | None = None, workers: int | str = 1
) -> dict[str, Any]:
    """Train `runs` networks with consecutive seeds from that of the configuration on, in a new folder; return results.

    All use the same validation images: those that the first seed splits off.
    """
    options = {"runs": runs, "first": config.seed}
    experiment = Experiment(kind=KIND, options=options, config=absolute(config), train=train, command=command)
    return _carry_out(experiment, out, None, workers)


def resume_restarts(
    folder: Path, *, runs: int | None = None, workers: int | str = 1, data: str | Path | None = None
) -> dict[str, Any]:
    """Resume an experiment: finished runs are kept, an unfinished one is resumed; `runs` is a new, larger number.

    `data` is the new source, if its images have been moved.
    """
    experiment, record = read(folder, KIND, OPTIONS, data)
    return _carry_out(extended(experiment, record, "runs", runs, folder), None, folder, workers)


def jobs(experiment: Experiment) -> list[Job]:
    """Return a job for each seed."""
    config, first = experiment.config, int(experiment.options["first"])
    shared = first if config.data.validation_seed is None else config.data.validation_seed
    seeds = range(first, first + int(experiment.options["runs"]))
    changes = {f"seed-{seed}": [f"seed={seed}", f"data.validation_seed={shared}"] for seed in seeds}
    return [make_job(name, config, assignments, experiment.train) for name, assignments in changes.items()]


def _carry_out(experiment: Experiment, out: Path | None, resume: Path | None, workers: int | str) -> dict[str, Any]:
    started = time.perf_counter()
    seed_jobs = jobs(experiment)
    with opened(experiment, out, resume) as folder:
        outcomes = carry_out_all(experiment, folder, seed_jobs, workers)
        results = _results(experiment, folder, seed_jobs, outcomes)
        results["seconds"] = round(time.perf_counter() - started, 3)
        write(folder, experiment, "finished", results=results)
    return results


def _results(experiment: Experiment, folder: Path, jobs: list[Job], outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Compare the runs with each other and with their ensemble; the best is chosen on validation alone."""
    config = experiment.config
    rows = [{"seed": job.config.seed, **row(experiment, folder, job.name, outcomes[job.name].results)} for job in jobs]
    bundles = [folder / job.name / "bundle" for job in jobs]
    division = divided(jobs[0].config, open_source(config.data.source))
    source = division.usable.source
    splits = [split for split in ("validation", "test") if split in source.splits]
    ensembles = {split: ensemble(division.task, bundles, source, split, config.device) for split in splits}
    metric = config.training.best
    best = max(rows, key=lambda run: run["score"] if spec(metric).better == "higher" else -run["score"])
    results: dict[str, Any] = {
        "experiment": str(folder),
        "report": str(folder / "report.html"),
        "runs": rows,
        "best": best["name"],
        **{split: spread([headline_value(run[split]) for run in rows]) for split in splits},
        "training_seconds": spread([run["seconds"] for run in rows]),
        "ensemble": {"bundles": [str(bundle) for bundle in bundles]}
        | {split: outcome.summary() for split, outcome in ensembles.items()},
    }
    results["next"] = evaluate_command(results["ensemble"]["bundles"], config.data.source)
    for split, outcome in ensembles.items():
        outcome.write_csv(folder / f"{split}.csv")
    _page(experiment, folder, results, ensembles)
    return results


def _page(experiment: Experiment, folder: Path, results: Mapping[str, Any], ensembles: Mapping[str, Combined]) -> None:
    rows, best = results["runs"], results["best"]
    split_shown = list(ensembles)[-1]
    statistics, ensemble_metrics = results[split_shown], results["ensemble"][split_shown]
    metric, tiles = headline(ensemble_metrics), []
    for split in ensembles:
        tiles += [
            (f"Mean on {split}", written(results[split], metric)),
            (f"Ensemble on {split}", written_headline(results["ensemble"][split])),
            (
                f"Best run ({best}) on {split}",
                written_headline(next(run for run in rows if run["name"] == best)[split]),
            ),
        ]
    curves = _curves(folder, rows, best, metric)
    lines = [("mean", statistics["mean"], "blue"), ("ensemble", headline_value(ensemble_metrics), "orange")]
    entries = [(run["name"], *scored(run[split_shown])) for run in rows]
    entries.append(("ensemble", *scored(ensemble_metrics)))
    header = ("run", *(f"{split} {metric.title}" for split in ensembles), "best epoch", "training time")
    points = " points" if metric.unit == "fraction" else ""
    scatter = (
        f", standard deviation {deviation(statistics['sd'], metric)}{points}" if statistics["sd"] is not None else ""
    )
    content = Content(
        title=f"{len(rows)} restarts of {experiment.config.recipe}",
        value=statistics["mean"],
        percent=metric.unit == "fraction",
        words=[
            Markup("Mean of {} runs on the <b>{}</b> split ({}){}.").format(
                len(rows), split_shown, metric.title, scatter
            ),
            Markup("Ensemble (mean of the probabilities): <b>{}</b>.").format(written_headline(ensemble_metrics)),
            f"The best run, {best}, was selected on validation; the test split is never used for model selection.",
        ],
        tiles=tiles,
        figures=[
            (
                "runs",
                "Runs",
                "95 % intervals reflect the number of images.",
                scores(entries, lines, metric),
            ),
            *([("curves", "Validation", "Each line is a run, the best in blue.", curves)] if curves else []),
        ],
        header=header,
        rows=[
            (
                run["name"],
                *(written_headline(run[split]) for split in ensembles),
                str(run["best_epoch"]),
                f"{run['seconds']:.1f} s",
            )
            for run in rows
        ],
        predictions=ensembles[split_shown],
        predictions_note=f"The ensemble on the {split_shown} split.",
        experiment=experiment,
        commands=[
            ("More runs", f"{resume_command(KIND, folder)} --runs {2 * len(rows)}"),
            ("Use the ensemble", results["next"]),
        ],
        beside="validation.csv and test.csv hold the ensemble's predictions",
    )
    write_page(folder, content)


def _curves(folder: Path, rows: list[dict[str, Any]], best: str, metric: MetricSpec) -> Any:
    """Draw the validation curves of the runs; None if all runs have a single epoch, for which the table suffices."""
    lines = {
        run["name"]: [
            (float(row["epoch"]), headline_value(row, "validation_")) for row in history(folder / run["name"])
        ]
        for run in rows
    }
    return overlaid(lines, best, metric) if max(map(len, lines.values())) > 1 else None
