"""Mixing each image of a batch with another: mixup and cutmix, as functions of (images, others, mixture)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from convworks.data import random
from convworks.data.config import AugmentConfig

Box = tuple[float, float, float, float]


class Mixture(NamedTuple):
    """The random mixture of a batch: the weight of the first image, and the box taken from the other (cutmix).

    The box is (top, bottom, left, right) in fractions of the image; without one, all pixels are blended (mixup).
    """

    weight: float
    box: Box | None


def draw_mixture(config: AugmentConfig, seed: int, epoch: int, number: int) -> Mixture | None:
    """Draw the mixture of a batch; None if the configuration has no mixing."""
    kinds = [kind for kind in ("mixup", "cutmix") if getattr(config, kind) is not None]
    if not kinds:
        return None
    generator = random.generator(seed, random.MIX, epoch, number)
    kind = kinds[int(generator.integers(len(kinds)))]
    alpha = getattr(config, kind)
    weight = float(generator.beta(alpha, alpha))
    if kind == "mixup":
        return Mixture(weight, None)
    half = (1 - weight) ** 0.5 / 2  # the box has area 1 - weight and the proportions of the image
    y, x = generator.random(2)
    edges = [float(np.clip(edge, 0, 1)) for edge in (y - half, y + half, x - half, x + half)]
    return Mixture(weight, (edges[0], edges[1], edges[2], edges[3]))


def mix(
    images: UInt8[Tensor, "b c h w"], others: UInt8[Tensor, "b c h w"], mixture: Mixture
) -> tuple[UInt8[Tensor, "b c h w"], float]:
    """Return the mixed images and the weight of the first: for a box, from its whole pixels inside the image."""
    if mixture.box is None:
        mixed = torch.lerp(others.float(), images.float(), mixture.weight)
        return mixed.round_().to(torch.uint8), mixture.weight
    h, w = images.shape[-2:]
    top, bottom, left, right = _pixels(mixture.box, h, w)
    return paste(images, others, mixture.box), 1 - (bottom - top) * (right - left) / (h * w)


def paste(
    images: Shaped[Tensor, "b *channels h w"], others: Shaped[Tensor, "b *channels h w"], box: Box
) -> Shaped[Tensor, "b *channels h w"]:
    """Return images, or their masks, with a box of the others."""
    top, bottom, left, right = _pixels(box, *images.shape[-2:])
    pasted = images.clone()
    pasted[..., top:bottom, left:right] = others[..., top:bottom, left:right]
    return pasted


def _pixels(box: Box, h: int, w: int) -> tuple[int, int, int, int]:
    top, bottom, left, right = (round(edge * size) for edge, size in zip(box, (h, h, w, w), strict=True))
    return top, bottom, left, right
