"""A complete run: from a configuration to a run folder with checkpoints, bundle and report."""

from __future__ import annotations

import contextlib
import copy
import re
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convworks import files, hardware
from convworks.console import downloading, say
from convworks.data.batches import steps_per_epoch
from convworks.data.inspect.photographs import few_photographs, photographs_note, transfer_command
from convworks.data.inspect.remarks import remarks
from convworks.data.source import Source
from convworks.data.sources.open import open_source
from convworks.errors import InputError, RunError, worded
from convworks.layers.heads.kernel_machine import allocate_vectors
from convworks.layers.normalisation.synchronised import synchronise
from convworks.losses.functions import Loss
from convworks.losses.lowest import smoothing_note
from convworks.models.analysis.count import count
from convworks.tasks.again import again
from convworks.tasks.codes import outer
from convworks.tasks.registry import task_of
from convworks.tasks.task import Answers
from convworks.training import display, folder
from convworks.training.checkpoints import store as checkpoint
from convworks.training.checkpoints.recorder import (
    NETWORK,
    Recorder,
    RunInterruptedError,
    recorded,
    restore,
    write_metrics,
)
from convworks.training.checkpoints.resume import check_same, differences, refuse_differences
from convworks.training.checkpoints.state import steps
from convworks.training.config import RunConfig
from convworks.training.events import EventList, Events
from convworks.training.fitting import fitting_of
from convworks.training.folder import resume_command
from convworks.training.freeze import freezing, rate_factors
from convworks.training.initial_weights import initialise_weights, with_absolute_start
from convworks.training.loop import fit
from convworks.training.optimizers.update import check_single, initial_state, trainable
from convworks.training.progress import Progress, Row
from convworks.training.resolution import check_resolutions
from convworks.training.results import write_results
from convworks.training.run_data import RunData, fingerprint, prepare_data
from convworks.training.schedules.schedule import check_schedule
from convworks.training.selection import candidates
from convworks.training.setup import Setup
from convworks.training.statistics.event import LayerStatistics
from convworks.training.svm.head import is_svm
from convworks.training.tracking.tracking import check_tracking, tracked
from convworks.training.world import World, joined

#: Matches PyTorch's error messages when another process has died.
GONE = re.compile("gloo|nccl|connection|socket|peer", re.IGNORECASE)


def train(
    config: RunConfig,
    *,
    command: str,
    out: Path | None = None,
    resume: Path | None = None,
    finish: bool = False,
    source: Source | None = None,
    began: float | None = None,
    loss: Loss | None = None,
    events: Sequence[Events] = (),
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Train as configured in a new run folder, or resume one; return the results and their paths.

    With `finish`, a resumed run is not trained further: it ends with the last epoch that is complete. `loss` is the
    function for a loss of kind `own`; `events` are called after the recorder. `began` is the start time
    (time.perf_counter), if the work began before this call. `notes` are lines for the user, printed once the input is
    known to be right. Raises InputError for invalid input before anything is written, RunError if training fails,
    RunInterruptedError if it is stopped.
    """
    start = Start(
        command=command,
        out=out,
        resume=resume,
        finish=finish,
        events=tuple(events),
        began=time.perf_counter() if began is None else began,
        notes=tuple(notes),
    )
    source = source or open_source(config.data.source, report=downloading())
    with joined(config.device) as world:
        # A separate function: the DistributedDataParallel wrapper must be freed before the process group is destroyed.
        return _joined(world, config, source, loss, start)


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a run is started: the arguments of `train` that only the process that writes files needs."""

    command: str
    out: Path | None
    resume: Path | None
    finish: bool
    events: tuple[Events, ...]
    began: float
    notes: tuple[str, ...]


def _joined(world: World, config: RunConfig, source: Source, loss: Loss | None, start: Start) -> dict[str, Any]:
    """Train as one of the processes; all but the first return an empty dictionary."""
    check_tracking(config, source)
    fitting_of(config).check(config, source, world)
    fresh = start.resume is None or not steps(start.resume / "checkpoints")
    setup, data = prepare(world, config, source, loss, fresh=fresh)
    check_schedule(setup.config.training, setup.steps)
    if world.rank == 0:
        return _leading(setup, data, start)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the first process saves, and ends the run for all
    fit(setup, _broadcast(setup, Progress()), Events())
    return {}


def prepare(
    world: World, config: RunConfig, source: Source, loss: Loss | None = None, *, fresh: bool = True
) -> tuple[Setup, RunData]:
    """Prepare data and setup of a run; the network of a `fresh` run gets its initial weights.

    Raises InputError for an inconsistent configuration.
    """
    if config.training.pretraining is not None:
        reason = "needs a sequence of runs, which only `convworks train` does"
        raise InputError("training.pretraining", reason, "leave it out, or give model.start instead")
    if config.deterministic:
        message = hardware.make_deterministic(world.device)
        if world.rank == 0:
            say(message)
    hardware.keep_memory(world.device)
    # bfloat16 rounds values near 1 to 1: too coarse for pixels.
    exact = config.precision == "auto" and task_of(config, source).exact
    precision = hardware.choose_precision("float32" if exact else config.precision, world.device)
    chosen = {"device": config.device if world.size > 1 else str(world.device)}
    chosen["precision"] = hardware.precision_name(precision)
    if fresh:
        config = config.model_copy(update={"model": with_absolute_start(config.model)})
    data = prepare_data(config.model_copy(update=chosen), source, world.device)
    if fresh:
        initialise_weights(data)
    return _setup(data, precision, world, loss), data


def _leading(setup: Setup, data: RunData, start: Start) -> dict[str, Any]:
    """Train as the process that writes files: the only one, or the first of several."""
    resume, finish = start.resume, start.finish
    data_fingerprint = fingerprint(data.source, data.contents)
    facts = _facts(setup, start.command) | {"fingerprint": data_fingerprint}
    facts |= {"held_out": data.held_out} if data.held_out else {}
    if data.usable.damaged:
        facts["damaged"] = dict(data.usable.damaged)
    with folder.run_folder_locked(start.out, folder.default_name(setup.config), resume) as path:
        progress = _broadcast(
            setup,
            _resumed(path, setup, data_fingerprint, finish=finish) if resume else Progress(score=setup.task.score.name),
        )
        if finish and not progress.epoch:
            raise InputError(f"--resume {path}", "no epoch is complete yet", f"resume with: {resume_command(path)}")
        _say_notes(setup, data, start)
        facts["begun_with"] = _begun_with(path, setup) if resume else setup.config.training.epochs
        if finish:
            facts["finished_early"] = True
            write_metrics(path, progress.history)  # a run that was killed may have written a row more
            say(f"ending after epoch {progress.epoch} of {setup.config.training.epochs}")
        loaded = time.perf_counter()
        try:
            folder.write_record(path, setup.config, "running", **facts)
            with tracked(setup.config, path, progress) as trackers:
                with display.display() as run_display, Recorder(path, data_fingerprint, run_display) as recorder:
                    if not finish:
                        measured = (LayerStatistics(),) if setup.config.training.statistics else ()
                        listeners = EventList((*measured, recorder, *trackers, *start.events))
                        fitting_of(setup.config).fit(setup, progress, listeners)
                    recorder.tidy(setup, progress)  # a killed process may not have done so
                best = _saved_epoch(path / "checkpoints", setup, progress)
                restore(checkpoint.load_checkpoint(path / "checkpoints", int(best["step"]))[0], setup)
                results = write_results(path, setup, data, progress, best, facts, loading=loaded - start.began)
                for tracker in trackers:
                    tracker.finished(progress, results)
            results["seconds"] = round(time.perf_counter() - start.began, 3)
            folder.write_record(path, setup.config, "finished", results=results, **facts)
        except BaseException as error:
            raise _stopped(path, setup, error, facts) from None
    return results


def _say_notes(setup: Setup, data: RunData, start: Start) -> None:
    """Say what a run makes of its data, once nothing is wrong with its input."""
    smoothing = smoothing_note(setup.config.training.loss, setup.classes)
    damaged = data.usable.line() if data.usable.damaged else ""
    notes = (*start.notes, *data.notes, *_photographs(setup, data, start.command), smoothing, damaged)
    for line in (*remarks(data.source, setup.config.data.fold), *notes):
        if line:
            say(worded(line))


def _photographs(setup: Setup, data: RunData, command: str) -> list[str]:
    """Lead from few photographs to transfer, where a network with a head for classes begins with random weights."""
    model, words = setup.config.model, again(command, setup.config)
    scratch = setup.task.judged and model.cut is None and model.start is None
    images, classes, shape = len(setup.train), setup.classes, setup.preprocessing
    if words is None or not scratch or not few_photographs(images, classes, shape.size, shape.channels):
        return []
    return [photographs_note(images, classes, transfer_command(*words.source(setup.config.data.source)))]


def _saved_epoch(folder: Path, setup: Setup, progress: Progress) -> Row:
    """Return the best epoch, or the last, that has a checkpoint: a damaged one may have been deleted."""
    saved, training = steps(folder), setup.config.training
    ranked = candidates(setup.config, progress)
    epoch = next((row for row in ranked if row["step"] in saved), ranked[0])
    if epoch is not ranked[0]:
        reason = f"the checkpoint of epoch {ranked[0]['epoch']}, the {training.kept}, is missing"
        say(f"{reason}; epoch {epoch['epoch']} takes its place")
    return epoch


def _broadcast(setup: Setup, progress: Progress) -> Progress:
    """Broadcast the tensors and the progress of the first process; return the progress."""
    setup.world.broadcast(recorded(setup).values())
    return Progress.from_state(setup.world.broadcast_values(progress.to_state()))


def _setup(data: RunData, precision: torch.dtype, world: World, own: Loss | None) -> Setup:
    """Return the setup of a run. Raises InputError for batches that leave a process without samples."""
    network, training, train = data.network, data.config.training, data.splits["train"]
    smallest = len(train) // steps_per_epoch(len(train), training.batch_size)
    if smallest < world.size:
        reason = f"{training.batch_size} gives batches of {smallest}, too few for {world.size} processes"
        raise InputError("training.batch_size", reason, "use larger batches, or fewer processes")
    if world.size > 1 and training.batch_norm == "synchronised":
        synchronise(network)
    check_single(network)
    check_resolutions(training.resolutions, network, data.input, train.spatial)
    model = data.config.model
    others = outer(network) if training.greedy else ()
    held = freezing(network, training, model.cut, machine=is_svm(model), others=others, processes=world.size)
    parameters = trainable(network)
    task, corruption = data.task, data.config.data.corruption
    counts = task.target.counts(data.source).to(world.device)

    def forward(inputs: Tensor) -> Answers:
        return task.answers(network, inputs, corruption)

    return Setup(
        config=data.config,
        network=network,
        averaged=copy.deepcopy(network).requires_grad_(False) if training.ema else None,
        forward=world.parallel(forward, network),
        parameters=parameters,
        state=initial_state(training.optimizer, parameters),
        preprocessing=data.preprocessing,
        train=train,
        validation=data.splits["validation"],
        classes=len(data.source.classes),
        task=task,
        loss=task.loss(training.loss, counts, own, len(train)),
        corruption=corruption if task.corrupts_inputs else None,
        precision=precision,
        world=world,
        freezing=held,
        factors=rate_factors(network, training.depth_decay, model.cut),
    )


def _facts(setup: Setup, command: str) -> dict[str, Any]:
    """Return what run.json records before training: command, network size, hardware, versions."""
    counted = count(setup.network, setup.input.example(device=setup.world.device))
    return {
        "command": command,
        "parameters": counted.parameters + setup.freezing.parameters,
        "macs": counted.macs,
        "precision": hardware.precision_name(setup.precision),
        "environment": hardware.environment(setup.world.device),
        "processes": setup.world.size,
    }


def _stopped(path: Path, setup: Setup, error: BaseException, facts: dict[str, Any]) -> BaseException:
    """Record that a run was stopped, if it has a checkpoint to resume from; return the error to raise."""
    checkpoint.clean(path / "checkpoints")
    if setup.world.size > 1 and isinstance(error, RuntimeError) and GONE.search(str(error)):
        first = " ".join(str(error).split())[:100]
        error = RunError("torchrun", f"another process of the run failed ({first})", "see its output above")
    if steps(path / "checkpoints"):
        if isinstance(error, KeyboardInterrupt):
            error = RunInterruptedError("interrupted", *folder.saved(path))
        elif isinstance(error, OSError) and error.strerror:
            fix = f"{files.remedy(error).partition(', or')[0]}; then {folder.saved(path)[1]}"
            error = RunError(error.filename or path, error.strerror, fix)
        with contextlib.suppress(OSError):  # the disk may be full; the checkpoints are what counts
            folder.write_record(path, setup.config, "stopped", reason=str(error) or type(error).__name__, **facts)
    return error


def _begun_with(path: Path, setup: Setup) -> int:
    """Return the number of epochs that a run was begun with, which its command asks for."""
    before, record = folder.read_record(path)
    return int(record.get("begun_with", before.training.epochs))


def _resumed(path: Path, setup: Setup, data_fingerprint: dict[str, Any], *, finish: bool) -> Progress:
    """Restore the last checkpoint of a run; without one, start from the beginning.

    A run to `finish` is not trained further, so it may have been trained by any number of processes.
    """
    folder.sweep(path)
    checkpoints = path / "checkpoints"
    if not steps(checkpoints):
        check_same(
            setup.config.data.source, folder.read_record(path)[1].get("fingerprint", data_fingerprint), data_fingerprint
        )
        shutil.rmtree(checkpoints, ignore_errors=True)
        return Progress(score=setup.task.score.name)
    tensors, state = checkpoint.load_checkpoint(checkpoints)
    try:
        began, progress = state["fingerprint"], Progress.from_state(state["progress"])
        processes = state["processes"]
        progress.ranked(setup.config.training.best)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"its last checkpoint cannot be read ({type(error).__name__}: {error})"
        raise InputError(checkpoints, reason, "start a new run") from None
    allocate_vectors(setup.network, {name.removeprefix(NETWORK): tensor for name, tensor in tensors.items()})
    shapes = [{name: tuple(t.shape) for name, t in each.items()} for each in (tensors, recorded(setup))]
    check_same(setup.config.data.source, began, data_fingerprint)
    for where, (before, after) in {
        setup.config.model.name: shapes,
        "torchrun": [{"processes": processes}, {"processes": processes if finish else setup.world.size}],
    }.items():
        refuse_differences(where, [line for _, line in differences(before, after)])
    restore(tensors, setup)
    return progress
