"""Cross-validation: every labelled image outside test is validated once, by a network not trained on it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64
from markupsafe import Markup

from convworks.config import to_json
from convworks.csv_files import write_csv
from convworks.data.config import Fold
from convworks.data.decode.damaged import leave_out
from convworks.data.source import Source
from convworks.data.sources.ignoring import ignoring
from convworks.data.sources.open import open_source
from convworks.data.sources.split_names import VALIDATION
from convworks.data.split.folds import assign, pool
from convworks.experiments.job import Job, Outcome, make_job
from convworks.experiments.members import ensemble
from convworks.experiments.page import Content, write_page
from convworks.experiments.record import Experiment, absolute, extended, opened, read, write
from convworks.experiments.runs import carry_out_all, row
from convworks.experiments.spread import spread, written
from convworks.experiments.views import overlaid, scored, scores
from convworks.metrics.spec import BALANCED_ACCURACY, MACRO_F1, headline, headline_value, written_headline
from convworks.tasks.outcome import Combined
from convworks.tasks.registry import task_of
from convworks.tasks.task import SplitContext
from convworks.training.config import RunConfig
from convworks.training.folder import history

KIND = "crossval"
OPTIONS = {"folds": int, "stratified": bool, "group_by": str | None}
OUT_OF_FOLD = "out-of-fold"
COLUMN = "column"  # an option that earlier versions did not record
CHOSEN = "Each network's epoch was selected on its own fold, so expect slightly less on new images."


def crossval(
    config: RunConfig,
    *,
    folds: int,
    train: str,
    command: str,
    stratified: bool = True,
    group_by: str | None = None,
    column: str | None = None,
    out: Path | None = None,
    workers: int | str = 1,
) -> dict[str, Any]:
    """Train a network for each fold, in a new folder; return the results.

    `group_by` names a column of a CSV source: rows with the same value are never split between train and validation;
    `column` names one whose values are the folds.
    """
    options = {"folds": folds, "stratified": stratified, "group_by": group_by, COLUMN: column}
    experiment = Experiment(kind=KIND, options=options, config=absolute(config), train=train, command=command)
    _assigned(experiment, _usable(experiment))  # fails at once if the source cannot be divided
    return _carry_out(experiment, out, None, workers)


def resume_crossval(folder: Path, *, workers: int | str = 1, data: str | Path | None = None) -> dict[str, Any]:
    """Resume an experiment: finished runs are kept, an unfinished one is resumed.

    `data` is the new source, if its images have been moved.
    """
    experiment, record = read(folder, KIND, OPTIONS, data)
    return _carry_out(extended(experiment, record, "folds", None, folder), None, folder, workers)


def jobs(experiment: Experiment) -> list[Job]:
    """Return a job for each fold."""
    folds = [_fold(experiment, number) for number in range(1, int(experiment.options["folds"]) + 1)]
    return [
        make_job(f"fold-{fold.number}", experiment.config, [f"data.fold={to_json(fold)!r}"], experiment.train)
        for fold in folds
    ]


def _fold(experiment: Experiment, number: int) -> Fold:
    options = experiment.options
    return Fold(
        number=number,
        of=options["folds"],
        stratified=options["stratified"],
        group_by=options["group_by"],
        column=options.get(COLUMN),
    )


def _usable(experiment: Experiment) -> Source:
    """Open the source as the runs do: without damaged files, if they are skipped."""
    data = experiment.config.data
    source = leave_out(ignoring(open_source(data.source), data.ignore), data.skip_damaged).source
    return task_of(experiment.config, source).target.read(source)


def _assigned(experiment: Experiment, source: Source) -> Int64[np.ndarray, " n"]:
    """Return the fold (from 0) of each image, as in the runs."""
    data, seed = experiment.config.data, experiment.config.seed
    return assign(source, _fold(experiment, 1), seed if data.validation_seed is None else data.validation_seed)


def _carry_out(experiment: Experiment, out: Path | None, resume: Path | None, workers: int | str) -> dict[str, Any]:
    started = time.perf_counter()
    fold_jobs = jobs(experiment)
    with opened(experiment, out, resume) as folder:
        outcomes = carry_out_all(experiment, folder, fold_jobs, workers, rivals=False)
        results = _results(experiment, folder, fold_jobs, outcomes)
        results["seconds"] = round(time.perf_counter() - started, 3)
        write(folder, experiment, "finished", results=results)
    return results


def _results(experiment: Experiment, folder: Path, jobs: list[Job], outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    source = _usable(experiment)
    folds = _assigned(experiment, source)
    predictions = _out_of_fold(experiment, folder, jobs, source, folds)
    rows = [
        {"fold": number, **row(experiment, folder, job.name, outcomes[job.name].results)}
        for number, job in enumerate(jobs, 1)
    ]
    predictions.write_csv(folder / "predictions.csv")
    _write_folds(folder / "folds.csv", predictions.names, folds)
    pooled = predictions.summary()
    results = {
        "experiment": str(folder),
        "report": str(folder / "report.html"),
        "predictions": str(folder / "predictions.csv"),
        "command": experiment.train,
        "runs": rows,
        "validation": spread([headline_value(result["validation"]) for result in rows]),
        "pooled": pooled,
        "training_seconds": spread([result["seconds"] for result in rows]),
    }
    stratified = bool(experiment.options["stratified"] and source.labelled)  # masks have no classes to divide by
    _page(experiment, folder, results, predictions, stratified=stratified)
    return results


def _out_of_fold(
    experiment: Experiment, folder: Path, jobs: list[Job], source: Source, folds: Int64[np.ndarray, " n"]
) -> Combined:
    """Return the out-of-fold predictions of all images, in the order of train, then validation."""
    samples, task = pool(source), task_of(experiment.config, source)
    outcomes: list[Any] = []
    for job in jobs:
        division, bundles = task.target.divide(source, job.config.data, job.config.seed), [folder / job.name / "bundle"]
        outcomes.append(ensemble(task, bundles, division, VALIDATION, job.config.device))
    order = np.argsort(np.argsort(folds, kind="stable"))  # the place of each image in the folds, one after the other
    first, *others = outcomes
    if task.outcome is None:
        joined: Combined = first.joined(others, OUT_OF_FOLD, order)
        return joined
    values = np.concatenate([outcome.values for outcome in outcomes])[order]
    return task.outcome(SplitContext(split=samples, name=OUT_OF_FOLD, classes=source.classes), values)


def _write_folds(path: Path, names: tuple[str, ...], folds: Int64[np.ndarray, " n"]) -> None:
    """Write the fold that validated each image: path,fold."""
    write_csv(path, ("path", "fold"), zip(names, (folds + 1).tolist(), strict=True))


def _page(
    experiment: Experiment, folder: Path, results: Mapping[str, Any], predictions: Combined, *, stratified: bool
) -> None:
    rows, statistics, pooled = results["runs"], results["validation"], results["pooled"]
    metric = headline(pooled)
    value, (low, high) = scored(pooled)
    options = experiment.options
    division = [
        *([f"column {options[COLUMN]}"] if options.get(COLUMN) else ["stratified"] if stratified else []),
        *([f"by {options['group_by']}"] if options["group_by"] else []),
    ]
    entries = [(run["name"], *scored(run["validation"])) for run in rows]
    entries.append(("pooled", value, (low, high)))
    lines = {
        run["name"]: [
            (float(row["epoch"]), headline_value(row, "validation_")) for row in history(folder / run["name"])
        ]
        for run in rows
    }
    best = max(rows, key=lambda run: metric.sign * headline_value(run["validation"]))["name"]
    content = Content(
        title=f"{len(rows)}-fold cross-validation of {experiment.config.recipe}",
        value=value,
        percent=metric.unit == "fraction",
        words=[
            *(
                [Markup("95 % interval <b>{} to {}</b>").format(metric.write(low), metric.write(high))]
                if low < high
                else []
            ),
            f"The {metric.title} is that of all {pooled['n']:,} images, each predicted by the network that was not "
            "trained on it.",
            *([CHOSEN] if experiment.config.training.kept == "best" else []),
        ],
        tiles=[
            ("Mean of folds", written(statistics, metric)),
            ("Lowest fold", metric.write(statistics["lowest"])),
            ("Highest fold", metric.write(statistics["highest"])),
            *(
                (each.heading, each.write(pooled[each.name]))
                for each in (BALANCED_ACCURACY, MACRO_F1)
                if each.name in pooled
            ),
            ("Folds", ", ".join([str(len(rows)), *division])),
        ],
        figures=[
            (
                "runs",
                "Folds",
                "With 95 % intervals." if low < high else "",
                scores(entries, [("mean of folds", statistics["mean"], "blue")], metric),
            ),
            ("curves", "Validation", "Each line is a fold, the best in blue.", overlaid(lines, best, metric)),
        ],
        header=("fold", metric.title, "images", "best epoch", "training time"),
        rows=[
            (
                run["name"],
                written_headline(run["validation"]),
                f"{run['validation']['n']:,}",
                str(run["best_epoch"]),
                f"{run['seconds']:.1f} s",
            )
            for run in rows
        ],
        predictions=predictions,
        predictions_note="All images, each predicted by the network of its fold.",
        experiment=experiment,
        commands=[("Train one network", experiment.train)],
        beside="predictions.csv (out-of-fold) and folds.csv",
    )
    write_page(folder, content)
