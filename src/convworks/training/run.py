"""A whole run: from a configuration to a run folder with checkpoints, bundle and report."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from convworks import hardware
from convworks.console import downloading, say
from convworks.data.source import Source, open_source
from convworks.errors import InputError, RunError
from convworks.evaluate.predict import logits
from convworks.models.count import count
from convworks.training import checkpoint, display, folder
from convworks.training.config import RunConfig
from convworks.training.finish import finish
from convworks.training.loop import Setup, fit
from convworks.training.loss import loss_function
from convworks.training.material import Material, fingerprint, gather
from convworks.training.optimizer import initial_state, trainable
from convworks.training.progress import Progress
from convworks.training.recorder import Recorder, RunInterruptedError, restore


def train(
    config: RunConfig,
    *,
    command: str,
    out: Path | None = None,
    resume: Path | None = None,
    source: Source | None = None,
    began: float | None = None,
) -> dict[str, Any]:
    """Train as configured into a new run folder, or go on with one; return the results with their paths.

    `began` is when the work began, where that was before this call (time.perf_counter). Raises InputError for wrong
    input before anything is written, RunError when training fails, RunInterruptedError when it is stopped.
    """
    started = time.perf_counter() if began is None else began
    source = source or open_source(config.data.source, report=downloading())
    device = hardware.choose_device(config.device)
    if config.deterministic:
        say(hardware.make_deterministic(device))
    precision = hardware.choose_precision(config.precision, device)
    chosen = {"device": str(device), "precision": str(precision).removeprefix("torch.")}
    material = gather(config.model_copy(update=chosen), source, device)
    setup = _setup(material, precision)
    known = fingerprint(material.source)
    facts = _facts(setup, command, device)
    with folder.occupied(out, config.recipe, resume) as path:
        progress = _resumed(path, setup, known) if resume else Progress()
        loaded = time.perf_counter()
        try:
            folder.write_record(path, setup.config, "running", **facts)
            with display.display() as shown, Recorder(path, known, shown) as recorder:
                fit(setup, progress, recorder)
            tensors, _ = checkpoint.load_checkpoint(path / "checkpoints", progress.best_step)
            restore(tensors, setup.network)
            results = finish(path, setup, material, progress, facts, loading=loaded - started)
            results["seconds"] = round(time.perf_counter() - started, 3)
            folder.write_record(path, setup.config, "finished", results=results, **facts)
        except BaseException as error:
            raise _stopped(path, setup, error, facts) from None
    return results


def measure(setup: Setup) -> dict[str, float]:
    """Return mean loss and top-1 accuracy on validation."""
    samples = setup.validation
    answers = torch.cat(list(logits(setup.network, samples.images, setup.preprocessing, setup.precision)))
    correct = int((answers.argmax(1) == samples.labels).sum())
    return {"loss": float(setup.loss(answers, samples.labels)), "top1": correct / len(samples)}


def _setup(material: Material, precision: torch.dtype) -> Setup:
    parameters = trainable(material.network)
    return Setup(
        config=material.config,
        network=material.network,
        parameters=parameters,
        state=initial_state(material.config.training.optimizer, parameters),
        preprocessing=material.preprocessing,
        train=material.splits["train"],
        validation=material.splits["validation"],
        loss=loss_function(material.config.training.loss),
        measure=measure,
        precision=precision,
    )


def _facts(setup: Setup, command: str, device: torch.device) -> dict[str, Any]:
    """Return what is known before training: command, size of the network, hardware, versions."""
    given = setup.preprocessing
    counted = count(setup.network, torch.zeros(1, given.channels, *given.size, device=device))
    return {
        "command": command,
        "parameters": counted.parameters,
        "macs": counted.macs,
        "precision": str(setup.precision).removeprefix("torch."),
        "environment": hardware.environment(device),
    }


def _stopped(path: Path, setup: Setup, error: BaseException, facts: dict[str, Any]) -> BaseException:
    """Leave a run that can go on from its last checkpoint, if it has one; return the error to raise."""
    checkpoint.clean(path / "checkpoints")
    if checkpoint.steps(path / "checkpoints"):
        if isinstance(error, KeyboardInterrupt):
            error = RunInterruptedError("interrupted", *folder.saved(path))
        elif isinstance(error, OSError) and error.strerror:
            where, remedy = error.filename or path, f"free some space; then {folder.saved(path)[1]}"
            error = RunError(where, error.strerror, remedy)
        with contextlib.suppress(OSError):  # the disk may be full; the checkpoints are what counts
            folder.write_record(path, setup.config, "stopped", reason=str(error) or type(error).__name__, **facts)
    return error


def _resumed(path: Path, setup: Setup, known: str) -> Progress:
    """Restore the last checkpoint of a run; a run that has none yet starts from the beginning."""
    folder.sweep(path)
    checkpoints = path / "checkpoints"
    if not checkpoint.steps(checkpoints):
        shutil.rmtree(checkpoints, ignore_errors=True)
        return Progress()
    tensors, state = checkpoint.load_checkpoint(checkpoints)
    try:
        began, progress = state["fingerprint"], Progress.from_state(state["progress"])
        restore(tensors, setup.network, setup.state)
    except (KeyError, TypeError, RuntimeError) as error:
        reason = f"its last checkpoint does not fit the run ({type(error).__name__}: {error})"
        raise InputError(checkpoints, reason, "start the run anew") from None
    if began != known:
        raise InputError(
            setup.config.data.source,
            "is not the data that the run began with (names or labels differ)",
            "restore it, or start a new run",
        )
    return progress
