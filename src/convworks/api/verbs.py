"""The verbs of convworks in Python."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.config import assignment, override
from convworks.console import downloading
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.data.sources.open import located, open_source
from convworks.errors import InputError
from convworks.experiments.command import RECORD as EXPERIMENT
from convworks.experiments.command import check_new_experiment, parse_workers, storage_file
from convworks.files import expand, path_of
from convworks.hardware import refuse_torchrun, restarted
from convworks.hardware import restarts as allowed_restarts
from convworks.outputs import as_path, check_outside
from convworks.recipes import recipe as find_recipe

if TYPE_CHECKING:
    from convworks.losses.functions import Loss
    from convworks.training.config import RunConfig
    from convworks.training.events import Events

SKIPPED = 0.05  # the share of damaged files that `--skip-damaged` leaves out


def train(
    recipe: str | None = None,
    *,
    data: str | Path | None = None,
    model: str | None = None,
    epochs: int | str | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    device: str | None = None,
    seed: int | None = None,
    deterministic: bool = False,
    skip_damaged: bool | float = False,
    overrides: Iterable[str] = (),
    command: str | None = None,
    loss: Loss | None = None,
    events: Sequence[Events] = (),
) -> dict[str, Any]:
    """Train a network and return {"run", "bundle", "report", "validation": {"top1", ...}, "test": {...}, "seconds"}.

    Where images have any number of labels, "map" stands in the place of "top1".

    Without anything it trains on the embedded digits; `data` is a name or a path; `overrides` are `field=value`
    assignments; `resume` goes on with a run folder, to `epochs` in all or for so many more ("+50"). `loss` is a
    function (logits, labels) -> mean loss in the place of the recipe's, `events` are told what happens. `skip_damaged`
    leaves damaged files out, up to that share of all (True: 0.05).
    Raises InputError for wrong input, RunError for a failed run.
    """
    from convworks.training import folder
    from convworks.training.checkpoints.resume import whole_epochs

    began = time.perf_counter()
    if skip_damaged is not False:
        share = SKIPPED if skip_damaged is True else skip_damaged
        overrides = [assignment("data.skip_damaged", share), *overrides]
    if resume is not None:
        if out is not None:
            raise InputError("--out", "a run that goes on stays where it is", "leave it out")
        if (path_of(resume) / EXPERIMENT).exists():
            changes = changes_of(model, None, device, seed, deterministic, overrides)
            _check_resumed(recipe, None, [*changes, *([str(epochs)] if epochs is not None else [])], "--json")
            from convworks.experiments.stack import resume_stack

            return resume_stack(path_of(resume), data)
        if restarted():  # by torchrun: what was asked for is in the run already
            return _resume(path_of(resume), None, None, None, [], loss, events)
        changes = changes_of(model, None, device, seed, deterministic, overrides)
        return _resume(path_of(resume), epochs, recipe, data, changes, loss, events)
    if out is None and allowed_restarts() > 0:
        raise InputError("--out", "is needed, for a run that torchrun may start again to find itself", "name a folder")
    if isinstance(epochs, str):
        if epochs.startswith("+"):
            raise InputError("--epochs", f"{epochs} is for a run that goes on", "give the run with --resume")
        epochs = whole_epochs(epochs)
    changes = changes_of(model, epochs, device, seed, deterministic, overrides)
    if loss is not None:
        own = {"kind": "own", "name": own_name(loss)}
        changes.append(assignment("training.loss", own))
    if restarted() and out is not None and (path_of(out) / folder.RECORD).exists():
        return _resume(path_of(out), None, None, None, [], loss, events)  # torchrun started all processes again
    config, source = configure(recipe, data, changes)
    place = as_path("--out", out)
    folder.check_new(place, config.recipe, protect(source))
    if config.training.pretraining is not None:
        refuse_torchrun("training.pretraining")
        from convworks.experiments.stack import stack

        check_new_experiment(place, "train")
        words = train_command(config, recipe, data, changes)
        return stack(config, train=words, command=command or words, out=place)
    from convworks.training.run import train as run

    command = command or train_command(config, recipe, data, changes)
    return run(config, command=command, out=place, source=source, began=began, loss=loss, events=events)


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
    overrides: Iterable[str] = (),
    command: str | None = None,
) -> dict[str, Any]:
    """Train from `runs` seeds (5), from `seed` on; return the runs, mean and spread, the best, and the ensemble.

    `workers` is a number of processes, or "ray"; everything else is as in `train`. `resume` goes on with such a folder.
    """
    changes = changes_of(model, epochs, device, seed, deterministic, overrides)
    if resume is not None:
        _check_resumed(recipe, out, changes, "--runs and --workers")
        from convworks.experiments.restarts import resume_restarts

        return resume_restarts(path_of(resume), runs=runs, workers=parse_workers(workers), data=data)
    config, asked = _experiment("restarts", recipe, data, changes, out, command, workers)
    from convworks.experiments.restarts import restarts as work

    return work(config, runs=5 if runs is None else runs, **asked)


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
    overrides: Iterable[str] = (),
    command: str | None = None,
) -> dict[str, Any]:
    """Train once a fold (5); return the runs, mean and spread, and the pooled accuracy over all images but test.

    `group_by` names a column of a CSV source whose equal values stay together. The rest is as in `restarts`.
    """
    changes = changes_of(model, epochs, device, seed, deterministic, overrides)
    if resume is not None:
        given = folds is not None or not stratified or group_by is not None
        _check_resumed(recipe, out, [*changes, *(["folds"] if given else [])], "--workers")
        from convworks.experiments.crossval import resume_crossval

        return resume_crossval(path_of(resume), workers=parse_workers(workers), data=data)
    config, asked = _experiment("crossval", recipe, data, changes, out, command, workers)
    from convworks.experiments.crossval import crossval as work

    count = 5 if folds is None else folds
    return work(config, folds=count, stratified=stratified, group_by=group_by, **asked)


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
    overrides: Iterable[str] = (),
    command: str | None = None,
) -> dict[str, Any]:
    """Search with Optuna by `trials` runs (20); return the trials, the best, and each field's importance.

    `search` are dimensions such as "training.schedule.rate=log:1e-4..1"; `storage` is the URL of an Optuna storage, in
    which several machines that name the same `study` share the trials. The rest is as in `restarts`.
    """
    changes = changes_of(model, epochs, device, seed, deterministic, overrides)
    dimensions = list(search)
    if resume is not None:
        given = [*dimensions, *([study] if study else []), *([] if pruning else ["pruning"])]
        _check_resumed(recipe, out, [*changes, *given], "--trials, --storage and --workers")
        from convworks.experiments.tune import resume_tune

        return resume_tune(path_of(resume), trials=trials, storage=storage, workers=parse_workers(workers), data=data)
    config, asked = _experiment("tune", recipe, data, changes, out, command, workers, storage=storage)
    from convworks.experiments.tune import tune as work

    return work(
        config,
        trials=20 if trials is None else trials,
        search=dimensions,
        storage=storage,
        study=study,
        pruning=pruning,
        **asked,
    )


def _check_resumed(recipe: str | None, out: str | Path | None, changes: Iterable[str], allowed: str) -> None:
    if recipe or out or list(changes):
        reason = "goes on with the experiment as it was configured"
        raise InputError("--resume", reason, f"leave the other options out but --data, {allowed}")


def _experiment(
    kind: str,
    recipe: str | None,
    data: str | Path | None,
    changes: Iterable[str],
    out: str | Path | None,
    command: str | None,
    workers: int | str,
    *,
    storage: str | None = None,
) -> tuple[RunConfig, dict[str, Any]]:
    """Return the configuration that an experiment varies, and what every experiment is told besides."""
    refuse_torchrun(f"convworks {kind}")
    count = parse_workers(workers)
    from convworks.training import folder

    config, source = configure(recipe, data, changes)
    place = as_path("--out", out)
    check_new_experiment(place, kind)
    read = protect(source)
    folder.check_new(place, f"{config.recipe}-{kind}", read)
    if storage is not None and (file := storage_file(storage)) is not None:
        check_outside("--storage", file, read)
    from convworks.tasks.registry import task_of

    task = task_of(config, source)
    if kind != "tune" and task.outcome is None:
        reason = f"compares and combines answers, but {config.model.name} {task.does}"
        raise InputError(f"convworks {kind}", reason, "train it with `convworks train`, or `convworks tune`")
    train = train_command(config, recipe, data, changes)
    command = command or train.replace("train", kind, 1)
    return config, {"train": train, "command": command, "out": place, "workers": count}


def configure(recipe: str | None, data: str | Path | None, changes: Iterable[str]) -> tuple[RunConfig, Source]:
    """Return the complete configuration and the opened source, from a recipe or from what the data look like."""
    if recipe is None and data is None:
        recipe = "digits/default"
    data = None if data is None else expand(str(data))
    if recipe is not None:
        config = find_recipe(recipe)
        from convworks.tasks.registry import task_of

        if data is not None:
            config = override(config, [assignment("data.source", data)])
        found = changed(config, changes, data)
        source = open_source(found.data.source, report=downloading())
        return changed(task_of(found, source).adapted(config), changes, data), source
    from convworks.recipes.folder import default
    from convworks.tasks.registry import task_of

    assert data is not None
    source = open_source(data, report=downloading())
    config = default(source, data)
    task = task_of(changed(config, changes, data), source)
    return changed(task.adapted(config), changes, data), source


def changed(config: RunConfig, changes: Iterable[str], data: str | Path | None) -> RunConfig:
    """Apply the assignments; one that names another source than `data` would be passed over, so it is refused."""
    result = override(config, changes)
    if data is not None and result.data.source != config.data.source:
        raise InputError("--set data.source", f"is not what --data says, {str(data)!r}", "leave one of them out")
    return result


def changes_of(
    model: str | None,
    epochs: int | None,
    device: str | None,
    seed: int | None,
    deterministic: bool,
    overrides: Iterable[str],
) -> list[str]:
    """Write the options as assignments, in the order in which they count."""
    given = {"model.name": model, "training.epochs": epochs, "device": device, "seed": seed}
    changes = [assignment(name, value) for name, value in given.items() if value is not None]
    return [*changes, *(["deterministic=True"] if deterministic else []), *overrides]


def train_command(config: RunConfig, recipe: str | None, data: str | Path | None, changes: Iterable[str]) -> str:
    """Return the command that trains so."""
    words = ["convworks", "train", *([recipe] if recipe else []), *(["--data", str(data)] if data else [])]
    return shlex.join([*words, *(word for change in changes for word in ("--set", change))])


def own_name(loss: Loss) -> str:
    """Return what a loss of one's own is called in the configuration."""
    return str(getattr(loss, "__qualname__", type(loss).__name__))


def _resume(
    path: Path,
    epochs: int | str | None,
    recipe: str | None,
    data: str | Path | None,
    changes: list[str],
    loss: Loss | None,
    events: Sequence[Events],
) -> dict[str, Any]:
    from convworks.training.checkpoints.resume import continued
    from convworks.training.run import train as run

    given = [assignment("recipe", recipe)] if recipe is not None else []
    if data is not None:
        given.append(assignment("data.source", located(str(data))))
    config, record = continued(path, epochs, [*given, *changes])
    source = _found_again(config.data.source)
    if loss is not None and (name := own_name(loss)) != getattr(config.training.loss, "name", None):
        raise InputError("loss", f"the run has another one than {name!r}", "leave it out, or start a new run")
    return run(config, command=str(record.get("command", "")), resume=path, source=source, loss=loss, events=events)


def _found_again(place: str) -> Source:
    """Open the data of a run; an InputError says what to do where they are no longer there."""
    try:
        return open_source(place, report=downloading())
    except InputError as error:
        if os.path.isabs(place) and not os.path.lexists(place):
            remedy = "if the images were moved, say where they are: --data PLACE"
            raise InputError(error.where, error.reason, remedy) from None
        raise
