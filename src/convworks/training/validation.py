"""Evaluation on the validation split after each epoch."""

from __future__ import annotations

import numpy as np
import torch

from convworks.inference.answers import answers
from convworks.inference.runtime import TorchRuntime
from convworks.layers.normalisation.folded import folded
from convworks.training.setup import Setup


@torch.no_grad()
def validate(setup: Setup) -> dict[str, float]:
    """Return the loss and the metrics of the task on validation; each process evaluates its part.

    Every sample counts once. Counts are exact for any number of processes, sums up to rounding.
    """
    world, samples, network, task = setup.world, setup.validation, setup.evaluated, setup.task
    world.broadcast(network.buffers())  # running statistics of the first process, if each has its own
    part = np.array_split(np.arange(len(samples)), world.size)[world.rank]
    which = slice(int(part[0]), int(part[-1]) + 1) if len(part) else slice(0)
    # As the results and `convworks.load` compute: rounding must not give one epoch two accuracies.
    runtime = TorchRuntime(network=folded(network), input=setup.input, precision=setup.precision)
    meter, corruption = task.meter(setup.classes, len(samples)), setup.config.data.corruption
    loss = torch.zeros((), dtype=world.double, device=runtime.device)
    for answered in answers(runtime, samples, corruption=setup.corruption, which=which):
        assert answered.targets is not None
        compared = task.validated(network, setup.input.normalise, answered, corruption)
        loss += setup.loss(compared, answered.targets).to(world.double) * len(answered.indices)
        meter.update(answered)
    return {"loss": float(world.summed(loss)) / len(samples), **meter.reduce(world)}
