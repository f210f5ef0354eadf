"""What validation measures where a network makes images."""

from __future__ import annotations

import numpy as np
import torch

from convworks.evaluate.reconstruct import reconstruct
from convworks.evaluate.reconstructions import psnr
from convworks.training.loop import Setup

#: The ratio of images that are given back without any error, which is infinite, and in no JSON.
HIGHEST = 200.0


@torch.no_grad()
def measure_images(setup: Setup) -> dict[str, float]:
    """Return what is measured on validation (IMAGES of training/config.py); each process counts its part."""
    world, samples, network = setup.world, setup.validation, setup.evaluated
    world.share(network.buffers())
    part = np.array_split(np.arange(len(samples)), world.size)[world.rank]
    totals = torch.zeros(2, dtype=torch.float64)
    corruption = setup.config.data.corruption
    for found in reconstruct(network, samples.images, setup.preprocessing, setup.precision, corruption, part.tolist()):
        images = found.images.to(found.made.device)
        loss = float(setup.loss(found.made, images)) * len(images)
        totals += torch.tensor([loss, float(setup.task.score(found.made, images).double().sum())], dtype=torch.float64)
    loss, error = (world.summed(totals) / len(samples)).tolist()
    return {"loss": loss, "mse": error, "psnr": min(psnr(error), HIGHEST)}
