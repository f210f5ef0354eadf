"""Corruption of the input of denoising autoencoders (Vincent et al. 2010, section 3.3; lecture 001)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8, UInt16, UInt64
from torch import Tensor

from convworks.data import random
from convworks.data.config import Corruption, Gaussian, Masking

#: Upper bound of a 16-bit random number.
ALL = 1 << 16


def gaussian(
    images: UInt8[Tensor, "b c h w"], noise: Float32[Tensor, "b c h w"], deviation: float
) -> UInt8[Tensor, "b c h w"]:
    """Add Gaussian noise with standard deviation `deviation` (black is 0, white 1), rounded and clipped."""
    return (images + 255 * deviation * noise).round_().clamp_(0, 255).to(torch.uint8)


def masking(
    images: UInt8[Tensor, "b c h w"], noise: UInt16[Tensor, "b 1 h w"], rate: float
) -> UInt8[Tensor, "b c h w"]:
    """Set a fraction `rate` of the pixels to black: those with the lowest random numbers."""
    return images * (noise.int() >= round(rate * ALL))


def salt_and_pepper(
    images: UInt8[Tensor, "b c h w"], noise: UInt16[Tensor, "b 1 h w"], rate: float
) -> UInt8[Tensor, "b c h w"]:
    """Set a fraction `rate` of the pixels, by lowest random number, to white (first half) or black (second half)."""
    number, threshold = noise.int(), round(rate * ALL)
    white = number < threshold // 2
    return torch.where(white, 255, images * (number >= threshold)).to(torch.uint8)


def corrupt(
    images: UInt8[Tensor, "b c h w"], corruption: Corruption, key: UInt64[np.ndarray, "2"], samples: Iterable[int]
) -> UInt8[Tensor, "b c h w"]:
    """Corrupt images with random numbers that depend only on the key and the sample indices."""
    b, c, h, w = images.shape
    if isinstance(corruption, Gaussian):
        noise = np.stack([rng.standard_normal((c, h, w), dtype=np.float32) for rng in _generators(key, samples)])
        return gaussian(images, torch.from_numpy(noise).to(images.device), corruption.deviation)
    words = -(-h * w // 4)  # four numbers of 16 bits each
    raw = np.stack([rng.bit_generator.random_raw(words) for rng in _generators(key, samples)])
    numbers = torch.from_numpy(raw.view(np.uint16)[:, : h * w].reshape(b, 1, h, w)).to(images.device)
    apply = masking if isinstance(corruption, Masking) else salt_and_pepper
    return apply(images, numbers, corruption.rate)


def training_key(seed: int, epoch: int) -> UInt64[np.ndarray, "2"]:
    """Return the key of an epoch of training."""
    return _key(random.generator(seed, random.CORRUPT, epoch))


def fixed_key() -> UInt64[np.ndarray, "2"]:
    """Return the key of validation and test: the same for every run and epoch, so that metrics are comparable."""
    return _key(random.generator(0, random.CORRUPT_FIXED))


def _key(generator: np.random.Generator) -> UInt64[np.ndarray, "2"]:
    return generator.integers(0, 1 << 64, 2, dtype=np.uint64)


def _generators(key: UInt64[np.ndarray, "2"], samples: Iterable[int]) -> Iterator[np.random.Generator]:
    """Yield the generator of each sample: the Philox counter starts at 2^128 times the sample's index.

    The same object is repositioned: creating one per sample would take ten times as long.
    """
    philox = np.random.Philox(key=key)
    generator = np.random.Generator(philox)
    state: Any = philox.state
    for sample in samples:
        state["state"]["counter"] = np.array([0, 0, sample, 0], np.uint64)
        philox.state = state
        yield generator
