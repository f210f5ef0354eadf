"""From one uint8 tensor to the batches of an epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from convworks.data import random
from convworks.data.augment.noise import draw
from convworks.data.augment.pipeline import augment
from convworks.data.config import AugmentConfig
from convworks.data.mix import draw_mixture, mix


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


class Batch(NamedTuple):
    """Augmented images with their labels; mixed ones hold `share` of their label, and 1 - share of that in `others`.

    `size` is the number of samples of the step, of which these may be a part.
    """

    images: UInt8[Tensor, "b c h w"]
    labels: Int64[Tensor, "b"]
    size: int
    others: Int64[Tensor, "b"] | None = None
    share: float = 1.0


class Part(NamedTuple):
    """Which part of every batch is wanted: number `number` (from 0) `of` so many."""

    number: int = 0
    of: int = 1


WHOLE = Part()


def batches(
    samples: Samples,
    config: AugmentConfig,
    *,
    size: tuple[int, int] | None = None,
    batch_size: int,
    seed: int,
    epoch: int,
    start: int = 0,
    balanced: bool = False,
    part: Part = WHOLE,
) -> Iterator[Batch]:
    """Yield the augmented batches of an epoch from batch `start` on, or a part of each.

    `size` (height, width) is what the network reads, where images are kept in another. The order is a function of
    (seed, epoch), the augmentation of (seed, epoch, sample index), the mixing of (seed, epoch, batch): the parts
    together are the whole batch, however many there are. A balanced epoch, in which samples come repeatedly, augments
    by the place in the order instead of the sample.
    """
    n = len(samples)
    known = samples.labels.cpu().numpy()
    order = random.balanced_order(seed, epoch, known) if balanced else random.order(seed, epoch, n)
    noise = draw(config, seed, epoch, n, resized=size not in (None, tuple(samples.images.shape[2:])))

    def drawn(places: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return the augmented images and the labels at these places of the order."""
        chosen = torch.from_numpy(order[places]).to(samples.images.device)
        images = samples.images.permute(0, 2, 3, 1)[chosen].permute(0, 3, 1, 2)
        if noise is not None:
            rows = noise[places if balanced else order[places]]
            images = augment(images, torch.from_numpy(rows).to(images.device), config, size)
        return images, samples.labels[chosen]

    for number, whole in enumerate(np.array_split(np.arange(n), steps_per_epoch(n, batch_size))):
        if number < start:
            continue
        places = np.array_split(whole, part.of)[part.number]
        images, labels = drawn(places)
        mixture = draw_mixture(config, seed, epoch, number)
        if mixture is None:
            yield Batch(images, labels, len(whole))
            continue
        # Each image is mixed with the one as far from the end of the batch as it is from the beginning.
        others, other_labels = (
            (images.flip(0), labels.flip(0)) if part.of == 1 else drawn(whole[0] + whole[-1] - places)
        )
        images, share = mix(images, others, mixture)
        yield Batch(images, labels, len(whole), other_labels, share)


def normalise(
    images: UInt8[Tensor, "b c h w"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Tensor, "b c h w"]:
    """Return float32 images with the given mean and standard deviation (of pixels in 0..1) taken out."""
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device)
    offset = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=images.device)
    return torch.addcmul(offset[:, None, None], images.float(), scale[:, None, None])
