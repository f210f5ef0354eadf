"""From the images of a split to the batches of an epoch."""

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

LARGE = 1 << 23  # values from which on threads of our own are faster than PyTorch's


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The images of a split, on the device where they are used if they are decoded, and what is asked about each.

    A target is a class, for each class whether it is shown, or a value; without targets it is the image itself.
    """

    images: Images
    targets: Int64[Tensor, "n"] | Bool[Tensor, "n k"] | Float32[Tensor, "n *target"] | None

    def __len__(self) -> int:
        return len(self.images)


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Count the batches of an epoch: every sample is in exactly one, and their sizes differ by at most one."""
    return max(1, math.ceil(n / batch_size))


class Batch(NamedTuple):
    """Augmented images with their targets; mixed ones hold `share` of theirs, and 1 - share of that in `others`.

    Where images have any number of labels, these are 1 for each class that an image shows, else 0; where the image
    itself is asked for, they are the augmented images, and `images` these or what corruption made of them. `size` is
    the number of samples of the step, of which these may be a part.
    """

    images: UInt8[Tensor, "b c h w"]
    targets: Int64[Tensor, "b"] | Float32[Tensor, "b *target"] | UInt8[Tensor, "b c h w"]
    size: int
    others: Int64[Tensor, "b"] | Float32[Tensor, "b *target"] | None = None
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
    workers: int | None = None,
    corruption: Corruption | None = None,
) -> Iterator[Batch]:
    """Yield the augmented batches of an epoch from batch `start` on, or a part of each.

    So many `workers` (threads) fetch images ahead; by default none from memory, one from the cache, one a processor
    where files are decoded. They change nothing but the time. `size` (height, width) is what the network reads, where
    images are kept in another. Where the images themselves are asked for, `corruption` is what is done to those that
    are read.

    The order is a function of (seed, epoch), augmentation and corruption of (seed, epoch, sample index), the mixing of
    (seed, epoch, batch): the parts together are the whole batch, however many there are. A balanced epoch, in which
    samples come repeatedly, augments by the place in the order instead of the sample.
    """
    n = len(samples)
    order = random.balanced_order(seed, epoch, _classes(samples)) if balanced else random.order(seed, epoch, n)
    noise = draw(config, seed, epoch, n, resized=size not in (None, tuple(samples.images.shape[2:])))

    def plans() -> Iterator[_Plan]:
        for number, whole in enumerate(np.array_split(np.arange(n), steps_per_epoch(n, batch_size))):
            if number >= start:
                places, mixture = np.array_split(whole, part.of)[part.number], draw_mixture(config, seed, epoch, number)
                # Each image is mixed with the one as far from the end of the batch as it is from the beginning.
                others = None if mixture is None or part.of == 1 else whole[0] + whole[-1] - places
                yield _Plan(len(whole), places, mixture, others)

    def fetch(plan: _Plan) -> tuple[_Plan, list[Tensor]]:
        wanted = (plan.places, plan.others)
        return plan, [take(samples.images, order[places]) for places in wanted if places is not None]

    def varied(images: Tensor, places: np.ndarray) -> tuple[Tensor, Tensor | None]:
        """Return the augmented images, and the targets, of these places of the order."""
        if noise is not None:
            rows = noise[places if balanced else order[places]]
            images = augment(images, torch.from_numpy(rows).to(images.device), config, size)
        if samples.targets is None:
            return images, None
        return images, for_loss(samples.targets[torch.from_numpy(order[places]).to(samples.targets.device)])

    def finished(images: Tensor, targets: Tensor | None, plan: _Plan, others: Tensor | None, share: float) -> Batch:
        """Return a batch: corrupted, and with the images themselves as targets where there are no others."""
        read = images if corruption is None else corrupt(images, corruption, key, order[plan.places].tolist())
        if targets is None:  # mixed ones too are what is to come back
            return Batch(read, images, plan.size)
        return Batch(read, targets, plan.size, others, share)

    key = training_key(seed, epoch)
    if workers is None:
        workers = fetchers(samples.images)
    for plan, found in ahead(fetch, plans(), workers):
        images, targets = varied(found[0], plan.places)
        if plan.mixture is None:
            yield finished(images, targets, plan, None, 1.0)
            continue
        if plan.others is None:
            others, other_targets = images.flip(0), None if targets is None else targets.flip(0)
        else:
            others, other_targets = varied(found[1], plan.others)
        images, share = mix(images, others, plan.mixture)
        yield finished(images, targets, plan, other_targets, share)


def for_loss(targets: Tensor) -> Tensor:
    """Return targets as a loss reads them: whether classes are shown as 0 and 1."""
    return targets.float() if targets.dtype == torch.bool else targets


def _classes(samples: Samples) -> Int64[np.ndarray, " n"]:
    """Return the classes of samples, which are drawn equally often."""
    assert samples.targets is not None
    return samples.targets.cpu().numpy()


class _Plan(NamedTuple):
    """A batch of `size` samples: which places of the order are wanted, how they are mixed, and with which others."""

    size: int
    places: np.ndarray
    mixture: Mixture | None
    others: np.ndarray | None


def normalise(
    images: UInt8[Tensor, "b c h w"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Tensor, "b c h w"]:
    """Return float32 images with the given mean and standard deviation (of pixels in 0..1) taken out."""
    b, c, h, w = images.shape
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device).repeat(w)
    offset = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=images.device).repeat(w)
    # Rows of all channels in channels_last order, and in place: several times as fast as by channels.
    rows = images.permute(0, 2, 3, 1).reshape(b, h, w * c)
    if images.device.type != "cpu" or rows.numel() < LARGE:
        values = rows.float()
        return torch.addcmul(offset, values, scale, out=values).view(b, h, w, c).permute(0, 3, 1, 2)
    # By NumPy, which asks for large pages where memory is new, and so that no thread meets a tensor of a mode
    # (inference_mode) in which it is not itself.
    out = np.empty(rows.shape, np.float32)

    def fill(first: int, end: int) -> None:
        for sample in range(first, end):  # what is worked on stays in the processor's cache
            part = torch.from_numpy(out[sample])
            torch.addcmul(offset, part.copy_(rows[sample]), scale, out=part)

    in_parts(fill, b)
    return torch.from_numpy(out).view(b, h, w, c).permute(0, 3, 1, 2)
