"""The augmented batches of an epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor

from convworks.data import random
from convworks.data.augment.corruption import corrupt, training_key
from convworks.data.augment.mix import Mixture, draw_mixture, mix
from convworks.data.augment.noise import draw
from convworks.data.augment.pipeline import augment
from convworks.data.config import AugmentConfig, Corruption
from convworks.data.decode.images import Images, ahead, fetchers, take
from convworks.data.parts import in_parts

LARGE = 1 << 23  # values above which our own threads are faster than PyTorch's


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The images of a split, decoded ones on the device where they are used, and the target of each.

    A target is a class, a boolean for each class, or a value; if `targets` is None, it is the image itself.
    """

    images: Images
    targets: Int64[Tensor, "n"] | Bool[Tensor, "n k"] | Float32[Tensor, "n *target"] | None

    def __len__(self) -> int:
        return len(self.images)


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Return the number of batches of an epoch: each sample is in exactly one, and sizes differ by at most one."""
    return max(1, math.ceil(n / batch_size))


class Batch(NamedTuple):
    """Augmented images with their targets; mixed images have weight `weight` for these, and 1 - weight for `others`.

    With label sets, targets are 1 for each class that an image shows, else 0; if the target is the image itself, they
    are the augmented images, and `images` may be corrupted versions of these. `size` is the number of samples of the
    step, of which this batch may be a part.
    """

    images: UInt8[Tensor, "b c h w"]
    targets: Int64[Tensor, "b"] | Float32[Tensor, "b *target"] | UInt8[Tensor, "b c h w"]
    size: int
    others: Int64[Tensor, "b"] | Float32[Tensor, "b *target"] | None = None
    weight: float = 1.0


class Part(NamedTuple):
    """Part `number` (from 0) `of` the parts of every batch."""

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
    order = random.balanced_order(seed, epoch, _classes(samples)) if balanced else random.order(seed, epoch, n)
    noise = draw(config, seed, epoch, n, resized=size not in (None, tuple(samples.images.shape[2:])))

    def plans() -> Iterator[_Plan]:
        for number, whole in enumerate(np.array_split(np.arange(n), steps_per_epoch(n, batch_size))):
            if number >= start:
                positions = np.array_split(whole, part.of)[part.number]
                mixture = draw_mixture(config, seed, epoch, number)
                # Each image is mixed with its mirror position in the batch.
                others = None if mixture is None or part.of == 1 else whole[0] + whole[-1] - positions
                yield _Plan(len(whole), positions, mixture, others)

    def fetch(plan: _Plan) -> tuple[_Plan, list[Tensor]]:
        groups = (plan.positions, plan.others)
        return plan, [take(samples.images, order[positions]) for positions in groups if positions is not None]

    def augmented(images: Tensor, positions: np.ndarray) -> tuple[Tensor, Tensor | None]:
        """Return the augmented images, and the targets, at these positions of the order."""
        if noise is not None:
            rows = noise[positions if balanced else order[positions]]
            images = augment(images, torch.from_numpy(rows).to(images.device), config, size)
        if samples.targets is None:
            return images, None
        return images, for_loss(samples.targets[torch.from_numpy(order[positions]).to(samples.targets.device)])

    def assembled(images: Tensor, targets: Tensor | None, plan: _Plan, others: Tensor | None, weight: float) -> Batch:
        """Return a batch: corrupted if configured, and with the images as targets if there are no others."""
        inputs = images if corruption is None else corrupt(images, corruption, key, order[plan.positions].tolist())
        if targets is None:  # mixed images are their own targets too
            return Batch(inputs, images, plan.size)
        return Batch(inputs, targets, plan.size, others, weight)

    key = training_key(seed, epoch)
    if workers is None:
        workers = fetchers(samples.images)
    for plan, fetched in ahead(fetch, plans(), workers):
        images, targets = augmented(fetched[0], plan.positions)
        if plan.mixture is None:
            yield assembled(images, targets, plan, None, 1.0)
            continue
        if plan.others is None:
            others, other_targets = images.flip(0), None if targets is None else targets.flip(0)
        else:
            others, other_targets = augmented(fetched[1], plan.others)
        images, weight = mix(images, others, plan.mixture)
        yield assembled(images, targets, plan, other_targets, weight)


def for_loss(targets: Tensor) -> Tensor:
    """Return targets as losses require them: booleans as 0.0 and 1.0."""
    return targets.float() if targets.dtype == torch.bool else targets


def _classes(samples: Samples) -> Int64[np.ndarray, " n"]:
    """Return the class of each sample, for a balanced order."""
    assert samples.targets is not None
    return samples.targets.cpu().numpy()


class _Plan(NamedTuple):
    """A batch of `size` samples: positions in the order, their mixture, and the positions of the other images."""

    size: int
    positions: np.ndarray
    mixture: Mixture | None
    others: np.ndarray | None


def normalise(
    images: UInt8[Tensor, "b c h w"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Tensor, "b c h w"]:
    """Normalise images to float32 by the mean and standard deviation of each channel (of pixels in 0..1)."""
    b, c, h, w = images.shape
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device).repeat(w)
    offset = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=images.device).repeat(w)
    # Rows of all channels in channels_last order, in place: several times as fast as channel by channel.
    rows = images.permute(0, 2, 3, 1).reshape(b, h, w * c)
    if images.device.type != "cpu" or rows.numel() < LARGE:
        values = rows.float()
        return torch.addcmul(offset, values, scale, out=values).view(b, h, w, c).permute(0, 3, 1, 2)
    # NumPy requests large pages for new memory; and threads must not use a tensor of inference_mode, which they are
    # not in themselves.
    out = np.empty(rows.shape, np.float32)

    def fill(first: int, end: int) -> None:
        for sample in range(first, end):  # the working set stays in the CPU cache
            part = torch.from_numpy(out[sample])
            torch.addcmul(offset, part.copy_(rows[sample]), scale, out=part)

    in_parts(fill, b)
    return torch.from_numpy(out).view(b, h, w, c).permute(0, 3, 1, 2)
