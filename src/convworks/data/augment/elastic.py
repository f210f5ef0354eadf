"""Elastic distortion (Simard et al. 2003, section 2): a smooth random displacement of every pixel."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convworks.data.config import ElasticConfig

MASK = 0xFFFFFFFF


def displacements(
    noise: Float[Tensor, "b 2"], config: ElasticConfig, size: tuple[int, int]
) -> Float[Tensor, "b h w 2"]:
    """Return the displacement (x, y) of each pixel: uniform noise in +-1, smoothed by a Gaussian, times alpha (pixels).

    A sample has more pixels than numbers in `noise`; the two are the key of a hash of the pixel indices.
    """
    field = _field(noise, 2 * size[0] * size[1]).view(-1, 2, *size)
    smooth = _smoothed(_smoothed(field, config.sigma).mT, config.sigma).mT
    return config.alpha * smooth.permute(0, 2, 3, 1)


def _field(noise: Float[Tensor, "b 2"], count: int) -> Float[Tensor, "b count"]:
    """Return `count` uniform numbers in -1 to 1 for each sample."""
    key = (noise * (1 << 24)).long()
    indices = torch.arange(count, device=noise.device) * 0x9E3779B1 & MASK
    hashed = _scrambled(_scrambled(indices ^ key[:, :1]) ^ key[:, 1:])
    return (hashed.double() / (1 << 31) - 1).float()


def _scrambled(value: Tensor) -> Tensor:
    """Mix 32 bits with the finaliser of MurmurHash3."""
    value = (value ^ value >> 16) * 0x85EBCA6B & MASK
    value = (value ^ value >> 13) * 0xC2B2AE35 & MASK
    return value ^ value >> 16


def _smoothed(field: Float[Tensor, "b 2 m n"], sigma: float) -> Float[Tensor, "b 2 m n"]:
    """Convolve the last axis with a Gaussian, with zero padding."""
    radius = math.ceil(3 * sigma)
    weights = [math.exp(-((step / sigma) ** 2) / 2) for step in range(-radius, radius + 1)]
    padded, total = F.pad(field, (radius, radius)), torch.zeros_like(field)
    for step, weight in enumerate(weights):
        total += padded[..., step : step + field.shape[-1]] * (weight / sum(weights))
    return total
