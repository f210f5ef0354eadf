"""The loss at points of a plane through the weights of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convworks.data.samples import Samples
from convworks.explain.landscape.directions import Weights, weights_of
from convworks.inference.answers import answers
from convworks.inference.predictor import Predictor
from convworks.inference.runtime import TorchRuntime
from convworks.losses.functions import Loss
from convworks.tasks.task import Task

Point = Sequence[float]
Measured = dict[str, float]


def along(
    network: nn.Module, directions: Sequence[Weights], points: Iterable[Point], measure: Callable[[nn.Module], Measured]
) -> Iterator[Measured]:
    """Yield what `measure` gives at points: coefficients of the directions, from the weights of the network.

    The weights are moved in place, and are back where they were at the end.
    """
    weights = weights_of(network)
    centre = {name: value.clone() for name, value in weights.items()}
    try:
        for point in points:
            _move(weights, centre, directions, point)
            yield measure(network)
    finally:
        _move(weights, centre, (), ())


@torch.no_grad()
def _move(weights: Weights, centre: Weights, directions: Sequence[Weights], point: Point) -> None:
    for name, value in weights.items():
        value.copy_(centre[name])
        for direction, coefficient in zip(directions, point, strict=True):
            value.add_(direction[name], alpha=coefficient)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is measured at a point: a loss and the metrics of a task, on samples that stay in memory.

    `source` and `split` are the names of where they come from.
    """

    predictor: Predictor
    samples: Samples
    source: str
    split: str
    loss: Loss

    @property
    def task(self) -> Task:
        """The task."""
        return self.predictor.task

    @torch.no_grad()
    def measure(self, network: nn.Module) -> Measured:
        """Return the loss and the headline metric of a network; not finite where it overflows."""
        predictor, task, corruption = self.predictor, self.task, self.predictor.bundle.corruption
        runtime = TorchRuntime(network=network, input=predictor.input, precision=predictor.precision)
        meter = task.meter(len(predictor.classes), len(self.samples))
        total = torch.zeros((), dtype=torch.float64)
        used = corruption if task.corrupts_inputs else None
        for answered in answers(runtime, self.samples, corruption=used):
            assert answered.targets is not None
            compared = task.validated(network, predictor.input.normalise, answered, corruption)
            total += self.loss(compared, answered.targets).double().cpu() * len(answered.indices)
            meter.update(answered)
        name = task.headline.name
        return {"loss": float(total) / len(self.samples), name: meter.reduce(Alone())[name]}


class Alone:
    """Sums over one process."""

    def summed(self, values: Tensor) -> Tensor:
        """Return the values."""
        return values.double()
