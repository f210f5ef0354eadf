"""Measure the rows of a landscape: each is a file that appears when it is complete, so that any process may resume."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from convworks.console import downloading
from convworks.data.decode.sizes import refuse_mismatched
from convworks.data.sources.ignoring import ignoring
from convworks.data.sources.open import open_source
from convworks.data.targets.samples import with_targets
from convworks.explain.checkpoints import Checkpoints, checkpoints_of
from convworks.explain.landscape.directions import Trajectory, Weights, by_filter, gaussian, trajectory, weights_of
from convworks.explain.landscape.plan import Plan, read_row, write_row
from convworks.explain.landscape.surface import Problem, along, finite
from convworks.inference.held_out import with_held_out
from convworks.inference.load import load
from convworks.inference.predictor import choose_split
from convworks.layers.normalisation.folded import folded


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """A plan with everything loaded: the problem, the network whose weights are moved, the directions.

    Batch normalisation is folded into the weights, as in prediction: with the statistics of training it is a factor of
    each filter, which leaves random directions normalised by filter the same up to their signs.
    """

    plan: Plan
    problem: Problem
    network: nn.Module
    directions: Sequence[Weights]
    trajectory: Trajectory | None = None
    checkpoints: Checkpoints | None = None

    def measure_rows(self, folder: Path, rows: Sequence[int], report: Callable[[], None] | None = None) -> None:
        """Measure some rows, and write each into its file; `report` is called after each point."""
        for number in rows:
            points = self.plan.row(number)
            measured = []
            for values in along(self.network, self.directions[: len(points[0])], points, self.problem.measure):
                measured.append(finite(values))
                if report is not None:
                    report()
            write_row(folder, number, measured)

    def along_the_run(self) -> dict[str, list[float]]:
        """Return the loss at each checkpoint of the run, and that at its projection onto the plane."""
        assert self.trajectory is not None
        assert self.checkpoints is not None
        projected = along(self.network, self.directions, self.trajectory.positions.tolist(), self.problem.measure)
        return {
            "true": [self.problem.measure(folded(network))["loss"] for network in self.checkpoints.networks()],
            "projected": [values["loss"] for values in projected],
        }


def open_landscape(plan: Plan) -> Landscape:
    """Load what a plan names; InputError for what it cannot be made of."""
    source = open_source(plan.data, report=downloading())
    predictor = load(plan.bundle, device=plan.device, precision=plan.precision)
    bundle, task = predictor.bundle, predictor.task
    source = ignoring(with_held_out(source, plan.split, [bundle]), bundle.ignore)
    _, split = choose_split(source, plan.split)
    split = task.target.match(source, split, bundle.classes)
    chosen = np.linspace(0, len(split) - 1, min(plan.images, len(split))).round().astype(np.int64)
    split = split.select(chosen)
    refuse_mismatched(split)
    samples, _ = with_targets(predictor.input.open(split), task.target, split, bundle.preprocessing)
    counts = torch.ones(max(1, len(bundle.classes)), dtype=torch.int64)
    loss = task.loss(task.losses[0](), counts, None, len(split))
    problem = Problem(predictor=predictor, samples=samples.to(predictor.runtime.device), loss=loss)
    if plan.directions == "trajectory":
        where = "--directions trajectory"
        checkpoints = checkpoints_of(Path(plan.bundle), predictor.trained, where, least=3)
        networks = [folded(network).requires_grad_(False) for network in checkpoints.networks()]
        path = trajectory([weights_of(network) for network in networks], checkpoints.steps)
        return Landscape(
            plan=plan,
            problem=problem,
            network=networks[-1],
            directions=path.directions,
            trajectory=path,
            checkpoints=checkpoints,
        )
    network = copy.deepcopy(folded(predictor.trained)).requires_grad_(False)
    weights = weights_of(network)
    # Planes of two seeds have no direction in common.
    directions = [by_filter(gaussian(weights, 2 * plan.seed + number), network) for number in (0, 1)]
    return Landscape(plan=plan, problem=problem, network=network, directions=directions)


def read_rows(folder: Path, plan: Plan, metric: str) -> dict[str, np.ndarray]:
    """Return loss and metric at every point as arrays [rows, points], NaN where they are not finite."""
    rows = [read_row(folder, number) for number in range(len(plan.down))]
    return {
        name: np.array([[np.nan if point[name] is None else point[name] for point in row] for row in rows])
        for name in ("loss", metric)
    }
