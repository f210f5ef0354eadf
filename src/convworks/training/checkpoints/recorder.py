"""Writing metrics and checkpoints during training, and stopping a run with a checkpoint."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from torch import Tensor

from convworks import files
from convworks.csv_files import write_csv
from convworks.errors import ConvworksError, RunError
from convworks.layers.values import fault
from convworks.training.checkpoints import store as checkpoint
from convworks.training.events import Events
from convworks.training.folder import resume_or_finish
from convworks.training.progress import Progress, Row
from convworks.training.setup import Setup

NETWORK, OPTIMIZER, AVERAGE = "network.", "optimizer.", "average."


class RunInterruptedError(ConvworksError):
    """The run was interrupted; it can be resumed from its checkpoint."""

    exit_status = 130


class Recorder(Events):
    """Writes metrics and checkpoints, saves a checkpoint on Ctrl-C, and forwards all events to a display."""

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any], display: Events) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self.display = display
        self.stop = False
        self.saved = time.perf_counter()

    def __enter__(self) -> Recorder:
        self.previous: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self._request_stop)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop = True
        signal.signal(number, self.previous[number])  # a second signal stops at once

    def step_began(self, setup: Setup, progress: Progress) -> None:
        """Let the display know."""
        self.display.step_began(setup, progress)

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """Save a checkpoint when the last one is old enough, or when the run is interrupted."""
        self.display.step_ended(setup, progress)
        if self.stop:
            self._save(setup, progress)
            raise self._interrupted(setup, progress)
        if time.perf_counter() - self.saved > setup.config.training.checkpoint_seconds:
            self._save(setup, progress)

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """Write the history, then a checkpoint: a run killed in between writes the same row again."""
        write_metrics(self.folder, progress.history)
        self._save(setup, progress)
        self.display.epoch_ended(setup, progress)
        if self.stop:
            raise self._interrupted(setup, progress)

    def _interrupted(self, setup: Setup, progress: Progress) -> RunInterruptedError:
        return RunInterruptedError(
            "interrupted",
            f"checkpoint saved after step {progress.step} of {setup.steps}",
            resume_or_finish(self.folder, progress.epoch),
        )

    def _save(self, setup: Setup, progress: Progress) -> None:
        folder, tensors = self.folder / "checkpoints", recorded(setup)
        progress.settle()  # a loss that is not finite says more than the weights it has spoilt
        if reason := fault(tensors):
            remedy = "clip the gradients, or lower the learning rate"
            raise RunError("training", f"after step {progress.step}, {reason}", remedy)
        state = {
            "progress": progress.to_state(),
            "fingerprint": self.fingerprint,
            "processes": setup.world.size,
        }
        checkpoint.save_checkpoint(folder, progress.step, tensors, state)
        self.tidy(setup, progress)
        self.saved = time.perf_counter()

    def tidy(self, setup: Setup, progress: Progress) -> None:
        """Delete the checkpoints that the configuration does not keep."""
        training = setup.config.training
        epochs = [*progress.history[-training.keep_last :], *progress.ranked(training.best)[: training.keep_best]]
        steps = {progress.step, *(int(row["step"]) for row in epochs)}
        checkpoint.keep_checkpoints(self.folder / "checkpoints", steps)


def write_metrics(folder: Path, history: Sequence[Row]) -> None:
    """Write one row per epoch, as JSON lines and as CSV."""
    files.write_text(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in history))
    columns = list(dict.fromkeys(name for row in history for name in row))
    write_csv(folder / "metrics.csv", columns, ([row.get(name) for name in columns] for row in history))


def recorded(setup: Setup) -> dict[str, Tensor]:
    """Return all tensors of a checkpoint: network, optimiser state, averaged weights."""
    tensors = {NETWORK + name: tensor for name, tensor in setup.network.state_dict().items()}
    tensors |= {OPTIMIZER + name: tensor for name, tensor in setup.state.items()}
    if setup.averaged is not None:
        tensors |= {AVERAGE + name: tensor for name, tensor in setup.averaged.state_dict().items()}
    return tensors


def restore(tensors: Mapping[str, Tensor], setup: Setup) -> None:
    """Copy the tensors of a checkpoint into the networks and the optimiser state."""

    def starting(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

    setup.network.load_state_dict(starting(NETWORK))
    if setup.averaged is not None:
        setup.averaged.load_state_dict(starting(AVERAGE))
    for name, value in setup.state.items():
        value.copy_(tensors[OPTIMIZER + name])
