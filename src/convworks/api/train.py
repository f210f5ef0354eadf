"""`convworks.train`: one run, new or resumed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.api.request import RunRequest
from convworks.api.result import TrainingResult
from convworks.config import assignment
from convworks.console import downloading
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.data.sources.open import open_source
from convworks.errors import InputError, brief
from convworks.experiments.command import RECORD as EXPERIMENT
from convworks.experiments.command import check_new_experiment
from convworks.files import path_of
from convworks.hardware import refuse_torchrun, restarted
from convworks.hardware import restarts as allowed_restarts
from convworks.outputs import as_path

if TYPE_CHECKING:
    from convworks.losses.functions import Loss
    from convworks.training.events import Events


@brief
def train(
    recipe: str | None = None,
    *,
    data: str | Path | None = None,
    model: str | None = None,
    epochs: int | str | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    finish: bool = False,
    device: str | None = None,
    seed: int | None = None,
    deterministic: bool = False,
    skip_damaged: bool | float = False,
    overrides: Iterable[str] = (),
    command: str | None = None,
    loss: Loss | None = None,
    events: Sequence[Events] = (),
) -> TrainingResult:
    """Train a network and return {"run", "bundle", "report", "validation": {"top1", ...}, "test": {...}, "seconds"}.

    The result also has `.predictor`, `.history` and `.plot()`. For multi-label images, "map" takes the place of "top1".

    Without arguments, it trains on the embedded digits. `data` is a name or a path; `overrides` are `field=value`
    assignments, or a mapping; `resume` is a run folder to resume, up to `epochs` in all or by so many more ("+50");
    with `finish` it is not trained further, but ends with bundle and report after its last complete epoch. `loss` is
    a function (logits, labels) -> mean loss that replaces the recipe's; `events` are called as the run proceeds.
    `skip_damaged` leaves out damaged files, up to this fraction of all (True: 0.05).
    Raises InputError for wrong input, RunError for a failed run.
    """
    return TrainingResult(run_train(RunRequest.of(locals()), finish=finish, loss=loss, events=events))


def run_train(
    request: RunRequest, *, finish: bool = False, loss: Loss | None = None, events: Sequence[Events] = ()
) -> dict[str, Any]:
    """Do what `train` does for a request."""
    from convworks.training import folder

    began = time.perf_counter()
    if finish:
        if request.resume is None:
            raise InputError("--finish", "ends a run that was stopped, and none is named", "add --resume RUN")
        refuse_torchrun("--finish")
    if request.resume is not None:
        return _resume(request, path_of(request.resume), finish, loss, events)
    if request.out is None and allowed_restarts() > 0:
        raise InputError("--out", "is needed so that a restart by torchrun finds the run", "name a folder")
    request = replace(request, epochs=_new_epochs(request.epochs))
    if loss is not None:
        own = assignment("training.loss", {"kind": "own", "name": _name(loss)})
        request = replace(request, overrides=(*request.overrides, own))
    if restarted() and request.out is not None and (path_of(request.out) / folder.RECORD).exists():
        # torchrun restarted all processes; the run folder holds what was requested
        return _resume_run(path_of(request.out), RunRequest(), loss, events)
    config, source = request.configure()
    out = as_path("--out", request.out)
    folder.check_new(out, folder.default_name(config), protect(source))
    train_command = request.train_command()
    command = request.command or train_command
    if config.training.pretraining is not None:
        refuse_torchrun("training.pretraining")
        from convworks.experiments.stack import stack

        check_new_experiment(out, "train")
        return stack(config, train=train_command, command=command, out=out)
    from convworks.training.run import train as run

    return run(config, command=command, out=out, source=source, began=began, loss=loss, events=events)


def _new_epochs(epochs: int | str | None) -> int | None:
    """Return the epochs of a new run as a number."""
    if not isinstance(epochs, str):
        return epochs
    from convworks.training.checkpoints.resume import whole_epochs

    if epochs.startswith("+"):
        raise InputError("--epochs", f"{epochs} extends a run", "name the run: --resume RUN")
    return whole_epochs(epochs)


def _name(loss: Loss) -> str:
    """Return the name of a custom loss in the configuration."""
    return str(getattr(loss, "__qualname__", type(loss).__name__))


def _resume(
    request: RunRequest, path: Path, finish: bool, loss: Loss | None, events: Sequence[Events]
) -> dict[str, Any]:
    """Resume a run, or the runs of a stacked autoencoder."""
    if request.out is not None:
        raise InputError("--out", "a resumed run keeps its folder", "leave it out")
    if (path / EXPERIMENT).exists():
        if finish:
            reason = "ends one run, but this folder holds the runs of a stacked autoencoder"
            raise InputError("--finish", reason, "leave it out")
        request.check_resumed("--json")
        from convworks.experiments.stack import resume_stack

        return resume_stack(path, request.data)
    # Restarted by torchrun: the run folder holds what was requested.
    return _resume_run(path, RunRequest() if restarted() else request, loss, events, finish=finish)


def _resume_run(
    path: Path, request: RunRequest, loss: Loss | None, events: Sequence[Events], *, finish: bool = False
) -> dict[str, Any]:
    from convworks.training.checkpoints.resume import continued, finishing, shortened
    from convworks.training.run import train as run

    config, record = (finishing if finish else continued)(path, request.epochs, request.resumed_changes())
    source = _reopened(config.data.source)
    if loss is not None and (name := _name(loss)) != getattr(config.training.loss, "name", None):
        raise InputError(
            "loss", f"the run was trained with another loss than {name!r}", "leave it out, or start a new run"
        )
    command, notes = str(record.get("command", "")), shortened(path, config, record)
    return run(
        config, command=command, resume=path, notes=notes, finish=finish, source=source, loss=loss, events=events
    )


def _reopened(location: str) -> Source:
    """Open the data of a run; the InputError for data that have been moved says how to name their new path."""
    try:
        return open_source(location, report=downloading())
    except InputError as error:
        if os.path.isabs(location) and not os.path.lexists(location):
            remedy = "if the images were moved, give their new path: --data PATH"
            raise InputError(error.where, error.reason, remedy) from None
        raise
