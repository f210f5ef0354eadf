"""The checkpoints of a run, as networks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from convworks.bundle.description import RUN_RECORD
from convworks.errors import InputError
from convworks.explain.landscape.directions import Trajectory, trajectory, weights_of
from convworks.inference.predictor import Predictor
from convworks.layers.network import Network
from convworks.layers.normalisation.folded import folded
from convworks.training.checkpoints.recorder import AVERAGE, NETWORK
from convworks.training.checkpoints.state import steps
from convworks.training.checkpoints.store import load_checkpoint


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The saved steps of a run; each network is loaded when it is needed, with normalisation folded."""

    folder: Path
    steps: tuple[int, ...]
    network: Network

    def at(self, step: int) -> nn.Module:
        """Return the network of a step, in evaluation mode: the averaged one, if the run kept it."""
        tensors, _ = load_checkpoint(self.folder, step)
        prefix = AVERAGE if any(name.startswith(AVERAGE) for name in tensors) else NETWORK
        state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        network = copy.deepcopy(self.network)
        network.load_state_dict({name: value for name, value in state.items() if not name.startswith("auxiliary.")})
        return folded(network.eval()).requires_grad_(False)

    def networks(self) -> Iterator[nn.Module]:
        """Yield the network of each step."""
        return map(self.at, self.steps)


def path_of_run(run: Path, predictor: Predictor) -> tuple[Checkpoints, Trajectory]:
    """Return the checkpoints of a run, and their path in the principal plane, which ends at the last of them.

    Raises InputError for anything but a run, and for one with fewer than three checkpoints.
    """
    if not (run / RUN_RECORD).is_file():
        remedy = "give the folder of a run, or look in --directions random"
        raise InputError("--directions trajectory", f"{run} is not a run, so it has no checkpoints", remedy)
    saved = steps(run / "checkpoints")
    checkpoints = Checkpoints(folder=run / "checkpoints", steps=tuple(saved), network=predictor.trained)
    path = [weights_of(each) for each in checkpoints.networks()]
    return checkpoints, trajectory(path, saved)
