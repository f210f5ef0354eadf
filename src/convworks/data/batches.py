"""The augmented batches of an epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped, UInt8
from torch import Tensor

from convworks.data import random
from convworks.data.augment.corruption import corrupt, training_key
from convworks.data.augment.mix import Mixture, draw_mixture, mix, paste
from convworks.data.augment.noise import draw
from convworks.data.augment.pipeline import augment, augment_together
from convworks.data.config import AugmentConfig, Corruption
from convworks.data.decode.ahead import ahead
from convworks.data.samples import Samples


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Return the number of batches of an epoch: each sample is in exactly one, and sizes differ by at most one."""
    return max(1, math.ceil(n / batch_size))


class Batch(NamedTuple):
    """Augmented images with their targets; mixed images have weight `weight` for these, and 1 - weight for `others`.

    With label sets, targets are 1 for each class that an image shows, else 0; masks are numbers of classes, moved with
    their images; if the target is the image itself, targets are the augmented images, and `images` may be corrupted
    versions of these. `size` is the number of samples of the step, of which this batch may be a part: those from
    `first` (counted from 0) on.
    """

    images: Shaped[Tensor, "b *sample"]
    targets: Int64[Tensor, "b *target"] | Float32[Tensor, "b *target"] | UInt8[Tensor, "b c h w"]
    size: int
    others: Int64[Tensor, "b *target"] | Float32[Tensor, "b *target"] | UInt8[Tensor, "b c h w"] | None = None
    weight: float = 1.0
    first: int = 0


class Part(NamedTuple):
    """Part `number` (from 0) `of` the parts of every batch."""

    number: int = 0
    of: int = 1


WHOLE = Part()


def batches(
    samples: Samples,
    config: AugmentConfig,
    *,
    size: tuple[int, ...] | None = None,
    batch_size: int,
    seed: int,
    epoch: int,
    start: int = 0,
    balanced: bool = False,
    part: Part = WHOLE,
    workers: int | None = None,
    corruption: Corruption | None = None,
) -> Iterator[Batch]:
    """Yield the augmented batches of an epoch from batch `start` on, or a part of each.

    `workers` threads prefetch images: by default none from memory, one from the cache, one per processor if files are
    decoded; they affect only the time. `size` (height, width) is the network's input, if images are stored in another
    size. `corruption` is applied to the input if the targets are the images themselves.

    The order is a function of (seed, epoch), augmentation and corruption of (seed, epoch, sample index), mixing of
    (seed, epoch, batch): any number of parts together make the same batch. A balanced epoch, in which samples are
    repeated, augments by the position in the order instead of the sample index.
    """
    n = len(samples)
    order = (
        random.balanced_order(seed, epoch, samples.classes.cpu().numpy()) if balanced else random.order(seed, epoch, n)
    )
    noise = draw(
        config, seed, epoch, n, resized=size is not None and tuple(size) != tuple(samples.images.shape[-len(size) :])
    )

    def plans() -> Iterator[_Plan]:
        for number, whole in enumerate(np.array_split(np.arange(n), steps_per_epoch(n, batch_size))):
            if number >= start:
                positions = np.array_split(whole, part.of)[part.number]
                mixture = draw_mixture(config, seed, epoch, number)
                # Each image is mixed with its mirror position in the batch.
                others = None if mixture is None or part.of == 1 else whole[0] + whole[-1] - positions
                yield _Plan(len(whole), int(positions[0] - whole[0]), positions, mixture, others)

    def fetch(plan: _Plan) -> tuple[_Plan, list[tuple[Tensor, Tensor | None]]]:
        groups = (plan.positions, plan.others)
        return plan, [samples.take(order[positions]) for positions in groups if positions is not None]

    def augmented(images: Tensor, targets: Tensor | None, positions: np.ndarray) -> tuple[Tensor, Tensor | None]:
        """Return the augmented images, with targets for a loss, that were fetched at these positions of the order."""
        if noise is not None:
            rows = torch.from_numpy(noise[positions if balanced else order[positions]]).to(images.device)
            if samples.spatial is None:
                images = augment(images, rows, config, size)
            else:
                images, targets = augment_together(images, targets, samples.spatial, rows, config, size)
        return images, None if targets is None else samples.for_loss(targets)

    def assembled(images: Tensor, targets: Tensor | None, plan: _Plan, others: Tensor | None, weight: float) -> Batch:
        """Return a batch: corrupted if configured, and with the images as targets if there are no others."""
        inputs = images if corruption is None else corrupt(images, corruption, key, order[plan.positions].tolist())
        if targets is None:  # mixed images are their own targets too
            return Batch(inputs, images, plan.size, first=plan.first)
        return Batch(inputs, targets, plan.size, others, weight, plan.first)

    key = training_key(seed, epoch)
    if workers is None:
        workers = samples.fetchers
    for plan, fetched in ahead(fetch, plans(), workers):
        images, targets = augmented(*fetched[0], plan.positions)
        if plan.mixture is None:
            yield assembled(images, targets, plan, None, 1.0)
            continue
        if plan.others is None:
            others, other_targets = images.flip(0), None if targets is None else targets.flip(0)
        else:
            others, other_targets = augmented(*fetched[1], plan.others)
        images, weight = mix(images, others, plan.mixture)
        if samples.spatial is not None and plan.mixture.box is not None:
            assert targets is not None
            assert other_targets is not None
            yield assembled(images, paste(targets, other_targets, plan.mixture.box), plan, None, 1.0)
            continue
        yield assembled(images, targets, plan, other_targets, weight)


class _Plan(NamedTuple):
    """A part of a batch of `size` samples, from its sample `first` on.

    It has positions in the order, their mixture, and the positions of the other images.
    """

    size: int
    first: int
    positions: np.ndarray
    mixture: Mixture | None
    others: np.ndarray | None
