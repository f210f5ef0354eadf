"""From one uint8 tensor to the batches of an epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from convworks.data import random
from convworks.data.augment import DRAWS, augment
from convworks.data.config import AugmentConfig


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The decoded images of a split, on the device where they are used, with their labels."""

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, "n"]

    def __len__(self) -> int:
        return len(self.labels)


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Count the batches of an epoch: every sample is in exactly one, and their sizes differ by at most one."""
    return max(1, math.ceil(n / batch_size))


def batches(
    samples: Samples, config: AugmentConfig, *, batch_size: int, seed: int, epoch: int, start: int = 0
) -> Iterator[tuple[UInt8[Tensor, "b c h w"], Int64[Tensor, "b"]]]:
    """Yield the augmented batches of an epoch from batch `start` on.

    The order is a function of (seed, epoch), the augmentation of (seed, epoch, sample index).
    """
    n, device = len(samples), samples.images.device
    order = random.order(seed, epoch, n)
    noise = random.noise(seed, epoch, n, DRAWS) if config != AugmentConfig() else None
    rows = samples.images.permute(0, 2, 3, 1)
    for indices in np.array_split(order, steps_per_epoch(n, batch_size))[start:]:
        chosen = torch.from_numpy(indices).to(device)
        images = rows[chosen].permute(0, 3, 1, 2)
        if noise is not None:
            images = augment(images, torch.from_numpy(noise[indices]).to(device), config)
        yield images, samples.labels[chosen]


def normalise(
    images: UInt8[Tensor, "b c h w"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Tensor, "b c h w"]:
    """Return float32 images with the given mean and standard deviation (of pixels in 0..1) taken out."""
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device)
    offset = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=images.device)
    return torch.addcmul(offset[:, None, None], images.float(), scale[:, None, None])
