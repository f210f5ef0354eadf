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
from convworks.explain.landscape.plan import Plan, json_number, read_row, write_row
from convworks.explain.landscape.surface import Problem, along
from convworks.inference.held_out import with_held_out
from convworks.inference.load import load
from convworks.inference.predictor import choose_split
from convworks.layers.network import Network
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
            points = self.plan.rows[number]
            measured = []
            for values in along(self.network, self.directions[: len(points[0])], points, self.problem.measure):
                measured.append({name: json_number(value) for name, value in values.items()})
                if report is not None:
                    report()
            write_row(folder, self.plan, number, measured)

    def along_the_run(self) -> dict[str, list[float]]:
        """Return the loss at each checkpoint of the run, and that at its projection onto the plane."""
        assert self.trajectory is not None
        assert self.checkpoints is not None
        projected = along(self.network, self.directions, self.trajectory.positions.tolist(), self.problem.measure)
        return {
            "true": [self.problem.measure(folded(network))["loss"] for network in self.checkpoints.networks()],
            "projected": [values["loss"] for values in projected],
        }


def open_landscape(plan: Plan, directions: Sequence[Weights] | None = None) -> Landscape:
    """Load what a plan names; InputError for what it cannot be made of.

    With `directions`, which another process has computed, checkpoints are not read again.
    """
    problem = open_problem(plan)
    trained = problem.predictor.trained
    path, checkpoints = None, None
    if plan.directions == "trajectory":
        where = "--directions trajectory"
        checkpoints = checkpoints_of(Path(plan.bundle), trained, where, least=3)
        network = movable(checkpoints.at(checkpoints.steps[-1]))
        if directions is None:
            path = trajectory(map(weights_of, map(folded, checkpoints.networks())), checkpoints.steps)
            directions = path.directions
    else:
        network = movable(trained)
        if directions is None:
            # Planes of two seeds have no direction in common.
            seeds = (2 * plan.seed, 2 * plan.seed + 1)
            directions = [by_filter(gaussian(weights_of(network), seed), network) for seed in seeds]
    weights = weights_of(network)
    return Landscape(
        plan=plan,
        problem=problem,
        network=network,
        directions=[{name: value.to(weights[name]) for name, value in each.items()} for each in directions],
        trajectory=path,
        checkpoints=checkpoints,
    )


def open_problem(plan: Plan) -> Problem:
    """Load the bundle and the images of a plan; InputError for what is not there."""
    source = open_source(plan.data, report=downloading())
    predictor = load(plan.bundle, device=plan.device, precision=plan.precision)
    bundle, task = predictor.bundle, predictor.task
    source = ignoring(with_held_out(source, plan.split, [bundle]), bundle.ignore)
    name, split = choose_split(source, plan.split)
    split = task.target.match(source, split, bundle.classes)
    chosen = np.linspace(0, len(split) - 1, min(plan.images, len(split))).round().astype(np.int64)
    split = split.select(chosen)
    refuse_mismatched(split)
    samples, _ = with_targets(predictor.input.open(split), task.target, split, bundle.preprocessing)
    counts = torch.ones(max(1, len(bundle.classes)), dtype=torch.int64)
    loss = task.loss(task.losses[0](), counts, None, len(split))
    samples = samples.to(predictor.runtime.device)
    return Problem(predictor=predictor, samples=samples, source=source.name, split=name, loss=loss)


def movable(network: Network) -> Network:
    """Return a folded copy of a network, all of whose weights may be changed in place."""
    return copy.deepcopy(folded(network)).requires_grad_(False)


def read_rows(folder: Path, plan: Plan, metric: str) -> dict[str, np.ndarray]:
    """Return loss and metric at every point as arrays [down, across], NaN where they are not finite."""
    points = [point for number in range(len(plan.rows)) for point in read_row(folder, plan, number)]
    return {
        name: np.array([point[name] for point in points], np.float64).reshape(len(plan.down), len(plan.across))
        for name in ("loss", metric)
    }
