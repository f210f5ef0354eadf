"""Cross-validation: every labelled image outside test is validated exactly once, by a network that never saw it."""

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
from convworks.data.sources.open import open_source
from convworks.data.split.folds import assign, pool
from convworks.experiments.job import Job, Outcome, make_job
from convworks.experiments.members import answers
from convworks.experiments.page import Content, write_page
from convworks.experiments.record import Experiment, absolute, extended, opened, read, write
from convworks.experiments.runs import carry_out_all, row
from convworks.experiments.spread import spread, written
from convworks.experiments.views import overlaid, scored, scores
from convworks.metrics.spec import BALANCED_ACCURACY, MACRO_F1, headline, headline_value, written_headline
from convworks.tasks.outcome import Pooled
from convworks.tasks.registry import task_of
from convworks.tasks.task import Known
from convworks.training.config import RunConfig
from convworks.training.folder import history

KIND = "crossval"
ASKED = {"folds": int, "stratified": bool, "group_by": str | None}
CHOSEN = "Each network's epoch was chosen on its own fold, so expect a little less on new images."


def crossval(
    config: RunConfig,
    *,
    folds: int,
    train: str,
    command: str,
    stratified: bool = True,
    group_by: str | None = None,
    out: Path | None = None,
    workers: int | str = 1,
) -> dict[str, Any]:
    """Make a run for each fold, in a new folder; return the results.

    `group_by` names a column of a CSV source: rows with one value of it are never divided between train and validation.
    """
    asked = {"folds": folds, "stratified": stratified, "group_by": group_by}
    experiment = Experiment(kind=KIND, asked=asked, config=absolute(config), train=train, command=command)
    _assigned(experiment, _usable(experiment))  # what cannot be divided is refused at once
    return _carry_out(experiment, out, None, workers)


def resume_crossval(place: Path, *, workers: int | str = 1, data: str | Path | None = None) -> dict[str, Any]:
    """Resume an experiment: finished runs are kept, a half-done one goes on.

    `data` is where its images are now, if they have been moved.
    """
    experiment, record = read(place, KIND, ASKED, data)
    return _carry_out(extended(experiment, record, "folds", None, place), None, place, workers)


def jobs(experiment: Experiment) -> list[Job]:
    """Return a job for each fold."""
    folds = [_fold(experiment, number) for number in range(1, int(experiment.asked["folds"]) + 1)]
    return [
        make_job(f"fold-{fold.number}", experiment.config, [f"data.fold={to_json(fold)!r}"], experiment.train)
        for fold in folds
    ]


def _fold(experiment: Experiment, number: int) -> Fold:
    asked = experiment.asked
    return Fold(number=number, of=asked["folds"], stratified=asked["stratified"], group_by=asked["group_by"])


def _usable(experiment: Experiment) -> Source:
    """Open the source as the runs do: without damaged files, where they are to be left out."""
    data = experiment.config.data
    source = leave_out(open_source(data.source), data.skip_damaged).source
    return task_of(experiment.config, source).target.read(source)


def _assigned(experiment: Experiment, source: Source) -> Int64[np.ndarray, " n"]:
    """Return the fold, from 0, of each image, as the runs find it."""
    data, seed = experiment.config.data, experiment.config.seed
    return assign(source, _fold(experiment, 1), seed if data.validation_seed is None else data.validation_seed)


def _carry_out(experiment: Experiment, out: Path | None, resume: Path | None, workers: int | str) -> dict[str, Any]:
    started = time.perf_counter()
    todo = jobs(experiment)
    with opened(experiment, out, resume) as place:
        outcomes = carry_out_all(experiment, place, todo, workers)
        results = _results(experiment, place, todo, outcomes)
        results["seconds"] = round(time.perf_counter() - started, 3)
        write(place, experiment, "finished", results=results)
    return results


def _results(experiment: Experiment, place: Path, todo: list[Job], outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    source = _usable(experiment)
    folds = _assigned(experiment, source)
    predictions = _out_of_fold(experiment, place, todo, source, folds)
    rows = [
        {"fold": number, **row(experiment, place, job.name, outcomes[job.name].results)}
        for number, job in enumerate(todo, 1)
    ]
    predictions.write_csv(place / "predictions.csv")
    _write_folds(place / "folds.csv", predictions.names, folds)
    pooled = predictions.summary()
    results = {
        "experiment": str(place),
        "report": str(place / "report.html"),
        "predictions": str(place / "predictions.csv"),
        "command": experiment.train,
        "runs": rows,
        "validation": spread([headline_value(found["validation"]) for found in rows]),
        "pooled": pooled,
        "training_seconds": spread([found["seconds"] for found in rows]),
    }
    _page(experiment, place, results, predictions)
    return results


def _out_of_fold(
    experiment: Experiment, place: Path, todo: list[Job], source: Source, folds: Int64[np.ndarray, " n"]
) -> Pooled:
    """Return what each image's own fold says about it, in the order of train, then validation."""
    everything, task = pool(source), task_of(experiment.config, source)
    values: np.ndarray | None = None
    for number, job in enumerate(todo):
        divided = task.target.divide(source, job.config.data, job.config.seed)
        (outcome,) = answers([place / job.name / "bundle"], divided, "validation", job.config.device)
        if values is None:
            values = np.zeros((len(everything), *outcome.values.shape[1:]), dtype=np.float32)
        values[folds == number] = outcome.values
    assert task.outcome is not None
    assert values is not None
    return task.outcome(Known(split=everything, name="out-of-fold", classes=source.classes), values)


def _write_folds(path: Path, names: tuple[str, ...], folds: Int64[np.ndarray, " n"]) -> None:
    """Write which fold validated each image: path,fold."""
    write_csv(path, ("path", "fold"), zip(names, (folds + 1).tolist(), strict=True))


def _page(experiment: Experiment, place: Path, results: Mapping[str, Any], predictions: Pooled) -> None:
    rows, found, pooled = results["runs"], results["validation"], results["pooled"]
    metric = headline(pooled)
    first, (low, high) = scored(pooled)
    said = metric.title if metric.title != metric.title.lower() else metric.title.capitalize()
    asked = experiment.asked
    how = [
        *(["stratified"] if asked["stratified"] else []),
        *([f"by {asked['group_by']}"] if asked["group_by"] else []),
    ]
    entries = [(run["name"], *scored(run["validation"])) for run in rows]
    entries.append(("pooled", first, (low, high)))
    lines = {
        run["name"]: [(float(row["epoch"]), headline_value(row, "validation_")) for row in history(place / run["name"])]
        for run in rows
    }
    best = max(rows, key=lambda run: metric.sign * headline_value(run["validation"]))["name"]
    content = Content(
        title=f"{len(rows)}-fold cross-validation of {experiment.config.recipe}",
        value=first,
        percent=metric.unit == "share",
        words=[
            *(
                [Markup("95 % interval <b>{} to {}</b>").format(metric.write(low), metric.write(high))]
                if low < high
                else []
            ),
            f"{said} over all {pooled['n']:,} images, each by the network that did not train on it.",
            *([CHOSEN] if experiment.config.training.kept == "best" else []),
        ],
        tiles=[
            ("Mean of folds", written(found, metric)),
            ("Lowest fold", metric.write(found["lowest"])),
            ("Highest fold", metric.write(found["highest"])),
            *(
                (each.heading, each.write(pooled[each.name]))
                for each in (BALANCED_ACCURACY, MACRO_F1)
                if each.name in pooled
            ),
            ("Folds", ", ".join([str(len(rows)), *how])),
        ],
        figures=[
            (
                "runs",
                "Folds",
                "With 95 % intervals." if low < high else "",
                scores(entries, [("mean of folds", found["mean"], "blue")], metric),
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
        predictions_note="All images, each by its own fold's network.",
        experiment=experiment,
        commands=[("A network from all images", experiment.train)],
        beside="predictions.csv (out-of-fold) and folds.csv",
    )
    write_page(place, content)
