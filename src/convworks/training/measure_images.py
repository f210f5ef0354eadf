"""What validation measures where a network makes images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from convworks.data.batches import normalise
from convworks.inference.reconstruct import Made, reconstruct
from convworks.tasks.reconstruction import psnr
from convworks.tasks.task import squared_errors
from convworks.training.greedy import codes
from convworks.training.loop import Setup

#: The ratio of images that are given back without any error, which is infinite, and in no JSON.
HIGHEST = 200.0


@torch.no_grad()
def measure_images(setup: Setup) -> dict[str, float]:
    """Return what is measured on validation (IMAGES of training/config.py); each process counts its part."""
    return _measure(setup, lambda found, first: setup.loss(found.made, found.images.to(found.made.device)))


@torch.no_grad()
def measure_codes(setup: Setup) -> dict[str, float]:
    """Return the loss of the innermost layer's codes; `mse` and `psnr` are those of images, through all layers."""
    network, device, given = setup.evaluated, setup.device, setup.preprocessing

    def loss(found: Made, first: int) -> Tensor:
        drawn = torch.Generator(device).manual_seed(first)
        inputs = normalise(found.read.to(device), given.mean, given.std)
        return setup.loss(codes(network, inputs, setup.config.data.corruption, drawn), found.images)

    return _measure(setup, loss)


def _measure(setup: Setup, loss: Callable[[Made, int], Tensor]) -> dict[str, float]:
    """Measure images; `loss` is told what was made and the number of the first image."""
    world, samples, network = setup.world, setup.validation, setup.evaluated
    world.share(network.buffers())
    part = np.array_split(np.arange(len(samples)), world.size)[world.rank].tolist()
    totals = torch.zeros(2, dtype=torch.float64)
    first = part[0] if part else 0
    given, precision = setup.preprocessing, setup.precision
    for found in reconstruct(network, samples.images, given, precision, setup.corruption, part):
        errors = squared_errors(found.made, found.images.to(found.made.device))
        sums = [float(loss(found, first)) * len(errors), float(errors.double().sum())]
        totals += torch.tensor(sums, dtype=torch.float64)
        first += len(errors)
    mean, error = (world.summed(totals) / len(samples)).tolist()
    return {"loss": mean, "mse": error, "psnr": min(psnr(error), HIGHEST)}
