"""The checkpoints of a run, as networks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from convworks.bundle.description import RUN_RECORD
from convworks.errors import InputError, counted
from convworks.layers.network import Network
from convworks.training.checkpoints.recorder import AVERAGE, NETWORK
from convworks.training.checkpoints.state import steps
from convworks.training.checkpoints.store import load_checkpoint


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The saved steps of a run; each network is loaded when it is needed. `network` is any of its kind."""

    folder: Path
    steps: tuple[int, ...]
    network: Network

    def at(self, step: int) -> Network:
        """Return the network of a step, in evaluation mode: the averaged one, if the run kept it."""
        tensors, _ = load_checkpoint(self.folder, step)
        prefix = AVERAGE if any(name.startswith(AVERAGE) for name in tensors) else NETWORK
        state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        network = copy.deepcopy(self.network)
        network.load_state_dict({name: value for name, value in state.items() if not name.startswith("auxiliary.")})
        return network.eval()

    def networks(self) -> Iterator[Network]:
        """Yield the network of each step."""
        return map(self.at, self.steps)


def checkpoints_of(run: Path, network: Network, where: str, *, least: int) -> Checkpoints:
    """Return the checkpoints of a run, whose bundle holds `network`.

    Raises InputError, as that of the option `where`, for anything but a run, and for one with fewer than `least`.
    """
    if not (run / RUN_RECORD).is_file():
        raise InputError(where, f"{run} is not a run, so it has no checkpoints", "give the folder of a run")
    saved = steps(run / "checkpoints")
    if len(saved) < least:
        count = f"{counted(len(saved), 'checkpoint')}"
        remedy = "train with --set training.keep_last=20 to keep more"
        raise InputError(where, f"{run} has {count}, {least} are needed", remedy)
    return Checkpoints(folder=run / "checkpoints", steps=tuple(saved), network=network)
