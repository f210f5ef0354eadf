"""`convworks.restarts`, `crossval` and `tune`: several runs for one question."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.api.request import RunRequest
from convworks.console import say
from convworks.data.config import Fold
from convworks.data.inspect.remarks import column_lines
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.errors import InputError, brief, worded
from convworks.experiments.command import check_new_experiment, parse_workers, storage_file
from convworks.files import path_of
from convworks.hardware import refuse_torchrun
from convworks.outputs import as_path, check_outside

if TYPE_CHECKING:
    from convworks.training.config import RunConfig


@brief
def restarts(
    recipe: str | None = None,
    *,
    data: str | Path | None = None,
    runs: int | None = None,
    model: str | None = None,
    epochs: int | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    workers: int | str = 1,
    device: str | None = None,
    seed: int | None = None,
    deterministic: bool = False,
    skip_damaged: bool | float = False,
    overrides: Iterable[str] = (),
    command: str | None = None,
) -> dict[str, Any]:
    """Train from `runs` seeds (5), beginning with `seed`; return the runs, mean and spread, the best, and the ensemble.

    `workers` is a number of processes, or "ray"; `resume` is the folder of an experiment to resume. All other
    parameters are as in `train`.
    """
    return run_restarts(RunRequest.of(locals()), runs=runs)


def run_restarts(request: RunRequest, *, runs: int | None = None) -> dict[str, Any]:
    """Do what `restarts` does for a request."""
    if request.resume is not None:
        request.check_resumed("--runs and --workers")
        from convworks.experiments.restarts import resume_restarts

        path, workers = path_of(request.resume), parse_workers(request.workers)
        return resume_restarts(path, runs=runs, workers=workers, data=request.data)
    config, _, options = _experiment("restarts", request)
    from convworks.experiments.restarts import restarts as run

    return run(config, runs=5 if runs is None else runs, **options)


@brief
def crossval(
    recipe: str | None = None,
    *,
    data: str | Path | None = None,
    folds: int | None = None,
    stratified: bool = True,
    group_by: str | None = None,
    model: str | None = None,
    epochs: int | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    workers: int | str = 1,
    device: str | None = None,
    seed: int | None = None,
    deterministic: bool = False,
    skip_damaged: bool | float = False,
    overrides: Iterable[str] = (),
    command: str | None = None,
) -> dict[str, Any]:
    """Train once per fold; return the runs, mean and spread, and the pooled accuracy over all images but test.

    The default is a fold for each value of the column `fold` of a CSV source, else 5 of them. `group_by` names a column
    of a CSV source; rows with the same value stay in one fold. All other parameters are as in `restarts`.
    """
    return run_crossval(RunRequest.of(locals()), folds=folds, stratified=stratified, group_by=group_by)


def run_crossval(
    request: RunRequest, *, folds: int | None = None, stratified: bool = True, group_by: str | None = None
) -> dict[str, Any]:
    """Do what `crossval` does for a request."""
    if request.resume is not None:
        request.check_resumed("--workers", [folds is not None, not stratified, group_by is not None])
        from convworks.experiments.crossval import resume_crossval

        return resume_crossval(path_of(request.resume), workers=parse_workers(request.workers), data=request.data)
    config, source, options = _experiment("crossval", request)
    from convworks.experiments.crossval import crossval as run

    column = None
    if folds is None and stratified and group_by is None and source.fold_column is not None:
        from convworks.data.split.folds import fold_count

        folds, column = fold_count(source), source.fold_column
    if group_by is None or group_by in (*source.unused_columns, source.fold_column):  # wrong input is one line
        for line in column_lines(source, Fold(number=1, of=folds or 5, group_by=group_by, column=column)):
            say(worded(line))
    return run(config, folds=folds or 5, stratified=stratified, group_by=group_by, column=column, **options)


@brief
def tune(
    recipe: str | None = None,
    *,
    data: str | Path | None = None,
    trials: int | None = None,
    search: Iterable[str] = (),
    storage: str | None = None,
    study: str | None = None,
    pruning: bool = True,
    model: str | None = None,
    epochs: int | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    workers: int | str = 1,
    device: str | None = None,
    seed: int | None = None,
    deterministic: bool = False,
    skip_damaged: bool | float = False,
    overrides: Iterable[str] = (),
    command: str | None = None,
) -> dict[str, Any]:
    """Search with Optuna by `trials` runs (20); return the trials, the best, and each field's importance.

    `search` are dimensions such as "training.schedule.rate=log:1e-4..1"; `storage` is the URL of an Optuna storage, in
    which several machines that name the same `study` share the trials. All other parameters are as in `restarts`.
    """
    return run_tune(
        RunRequest.of(locals()), trials=trials, search=search, storage=storage, study=study, pruning=pruning
    )


def run_tune(
    request: RunRequest,
    *,
    trials: int | None = None,
    search: Iterable[str] = (),
    storage: str | None = None,
    study: str | None = None,
    pruning: bool = True,
) -> dict[str, Any]:
    """Do what `tune` does for a request."""
    dimensions = [search] if isinstance(search, str) else list(search)
    if request.resume is not None:
        request.check_resumed("--trials, --storage and --workers", [bool(dimensions), study, not pruning])
        from convworks.experiments.tune import resume_tune

        path, workers = path_of(request.resume), parse_workers(request.workers)
        return resume_tune(path, trials=trials, storage=storage, workers=workers, data=request.data)
    config, _, options = _experiment("tune", request, storage=storage)
    from convworks.experiments.tune import tune as run

    count = 20 if trials is None else trials
    final = _in_full(request, config.training.epochs)
    return run(
        config, trials=count, search=dimensions, storage=storage, study=study, pruning=pruning, final=final, **options
    )


def _in_full(request: RunRequest, epochs: int) -> str:
    """Return the command that trains for the epochs of the recipe, if the trials of a search have fewer."""
    overrides = tuple([each for each in request.overrides if each.partition("=")[0].strip() != "training.epochs"])
    full = replace(request, epochs=None, overrides=overrides)
    if full == request or full.configure()[0].training.epochs <= epochs:
        return request.train_command()
    return full.train_command()


def _experiment(
    kind: str, request: RunRequest, *, storage: str | None = None
) -> tuple[RunConfig, Source, dict[str, Any]]:
    """Return the configuration that an experiment varies, its source, and the arguments common to all experiments."""
    refuse_torchrun(f"convworks {kind}")
    workers = parse_workers(request.workers)
    from convworks.training import folder

    config, source = request.configure()
    out = as_path("--out", request.out)
    check_new_experiment(out, kind)
    protected = protect(source)
    folder.check_new(out, f"{folder.default_name(config)}-{kind}", protected)
    if storage is not None and (file := storage_file(storage)) is not None:
        check_outside("--storage", file, protected)
    from convworks.tasks.registry import task_of

    task = task_of(config, source)
    if kind != "tune" and not task.combines:
        reason = f"compares and combines answers, but {config.model.name} {task.does}"
        raise InputError(f"convworks {kind}", reason, "train it with `convworks train`, or `convworks tune`")
    train = request.train_command()
    command = request.command or train.replace("train", kind, 1)
    return config, source, {"train": train, "command": command, "out": out, "workers": workers}
