"""What a run leaves on the disk while it trains, and what happens when somebody stops it."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from torch import Tensor, nn

from convworks import files
from convworks.errors import ConvworksError
from convworks.training import checkpoint
from convworks.training.folder import resume_command
from convworks.training.loop import Events, Setup
from convworks.training.progress import Progress

NETWORK, OPTIMIZER = "network.", "optimizer."


class RunInterruptedError(ConvworksError):
    """Somebody stopped the run; it can go on from its checkpoint."""

    exit_status = 130


class Recorder(Events):
    """Writes metrics.jsonl and checkpoints, and turns Ctrl-C into a checkpoint; passes all events on to a display."""

    def __init__(self, folder: Path, fingerprint: str, display: Events) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self.display = display
        self.stop = False
        self.saved = time.perf_counter()

    def __enter__(self) -> Recorder:
        self.previous: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self._asked)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self.stop = True
        signal.signal(number, self.previous[number])  # whoever asks twice does not want to wait

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """Save when the last checkpoint is old, or when the run is to stop."""
        self.display.step_ended(setup, progress)
        if self.stop:
            self._save(setup, progress)
            raise self._interrupted(setup, progress)
        if time.perf_counter() - self.saved > setup.config.training.checkpoint_seconds:
            self._save(setup, progress)

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        """Write the history, then save: a run that dies in between writes the same row again."""
        lines = "".join(json.dumps(row) + "\n" for row in progress.history)
        files.write_text(self.folder / "metrics.jsonl", lines)
        self._save(setup, progress)
        self.display.epoch_ended(setup, progress)
        if self.stop:
            raise self._interrupted(setup, progress)

    def _interrupted(self, setup: Setup, progress: Progress) -> RunInterruptedError:
        return RunInterruptedError(
            "interrupted",
            f"checkpoint saved after step {progress.step} of {setup.steps}",
            f"go on with: {resume_command(self.folder)}",
        )

    def _save(self, setup: Setup, progress: Progress) -> None:
        folder = self.folder / "checkpoints"
        state = {"progress": progress.to_state(), "fingerprint": self.fingerprint}
        checkpoint.save_checkpoint(folder, progress.step, _tensors(setup.network, setup.state), state)
        checkpoint.keep_checkpoints(folder, {progress.step, progress.best_step})
        self.saved = time.perf_counter()


def restore(tensors: Mapping[str, Tensor], network: nn.Module, optimizer: Mapping[str, Tensor] | None = None) -> None:
    """Copy the values of a checkpoint into a network and the state of its optimiser."""
    weights = {name.removeprefix(NETWORK): t for name, t in tensors.items() if name.startswith(NETWORK)}
    network.load_state_dict(weights)
    for name, value in (optimizer or {}).items():
        value.copy_(tensors[OPTIMIZER + name])


def _tensors(network: nn.Module, optimizer: Mapping[str, Tensor]) -> dict[str, Tensor]:
    weights = {NETWORK + name: tensor for name, tensor in network.state_dict().items()}
    return weights | {OPTIMIZER + name: tensor for name, tensor in optimizer.items()}
