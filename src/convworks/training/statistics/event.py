"""Statistics of layers, as an event of the training loop: at most every 40th step and fifty times in a run.

Each point has a row for every weight, {"step", "layer", "gradient", "weight", "update"}, and one for every tap,
{"step", "layer", "mean", "deviation", "zeros", "silent", "channels"}. Gradients (before they are clipped), weights and
updates are roots of mean squares; the activations are those of the batch, in training mode.
"""

from __future__ import annotations

import json
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from convworks.training.events import Events
from convworks.training.optimizers.update import is_weight
from convworks.training.progress import Progress
from convworks.training.setup import Setup
from convworks.training.statistics.measure import ACTIVATIONS, NORMS, activation, innermost_taps, root_mean_squares

POINTS, LEAST = 50, 40  # points in a run; steps between two of them
DIGITS = 4


class LayerStatistics(Events):
    """Adds the statistics of some steps to the progress of a run."""

    def __init__(self) -> None:
        self.hooks: list[RemovableHandle] = []
        self.weights: dict[str, Tensor] = {}
        self.before: dict[str, Tensor] = {}
        self.gradients: Tensor | None = None
        self.activations: dict[str, Tensor] = {}

    def step_began(self, setup: Setup, progress: Progress) -> None:
        """At a point, keep the weights, and look at the output of every tap."""
        if progress.step % max(LEAST, setup.steps // POINTS):
            return
        self.activations = {}
        self.hooks = [
            module.register_forward_hook(self._look(name)) for name, module in innermost_taps(setup.network).items()
        ]

    def gradients_computed(self, setup: Setup, progress: Progress) -> None:
        """At a point, measure the gradients, and keep the weights that they are about to change."""
        if not self.hooks:
            return
        for hook in self.hooks:
            hook.remove()
        self.weights = {
            name: value for name, value in setup.parameters.items() if is_weight(value) and value.grad is not None
        }
        gradients = {name: value.grad for name, value in self.weights.items() if value.grad is not None}
        self.gradients = root_mean_squares(gradients) if gradients else None
        self.before = {name: value.detach().clone() for name, value in self.weights.items()}

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        """After a point, add its rows."""
        if not self.hooks:
            return
        self.hooks = []
        step = progress.step - 1
        if self.gradients is not None:
            updates = {name: self.weights[name].detach() - before for name, before in self.before.items()}
            columns = [self.gradients, root_mean_squares(self.before), root_mean_squares(updates)]
            rows = torch.stack(columns, 1).tolist()
            names = (name.removesuffix(".weight").removeprefix("stages.") for name in self.weights)
            progress.statistics += [_row(step, name, NORMS, values) for name, values in zip(names, rows, strict=True)]
        if self.activations:
            rows = torch.stack(list(self.activations.values())).tolist()
            progress.statistics += [
                _row(step, name, ACTIVATIONS, values) for name, values in zip(self.activations, rows, strict=True)
            ]
        self.weights, self.before, self.gradients, self.activations = {}, {}, None, {}

    def _look(self, name: str) -> Any:
        def look(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim > 1 and name not in self.activations:
                self.activations[name] = activation(output)

        return look


def _row(step: int, layer: str, keys: tuple[str, ...], values: list[float]) -> str:
    """Return a row as a line of JSON, which has no numbers that are not finite: they are null."""
    numbers = [float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in values]
    return json.dumps({"step": step, "layer": layer, **dict(zip(keys, numbers, strict=True))})
