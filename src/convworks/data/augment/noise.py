"""Which random numbers belong to which augmentation, and how the numbers of an epoch are drawn."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from convworks.data import random
from convworks.data.config import AugmentConfig
from convworks.data.random import BLOCK

OPERATIONS = 8  # RandAugment's most


class Columns:
    """The places of each augmentation's numbers in a sample's row: they never change, so that runs can be repeated."""

    shift = slice(0, 2)
    flip = 2
    crop = slice(3, 7)  # area, ratio, and:
    place = slice(5, 7)
    affine = slice(7, 13)
    cutout = slice(13, 15)
    elastic = slice(BLOCK, BLOCK + 2)
    jitter = slice(BLOCK + 2, BLOCK + 6)
    lighting = slice(BLOCK + 6, BLOCK + 9)
    randaugment = slice(2 * BLOCK, 2 * BLOCK + 2 * OPERATIONS)


def draw(
    config: AugmentConfig, seed: int, epoch: int, n: int, *, resized: bool = False
) -> Float32[np.ndarray, "n draws"] | None:
    """Return the uniform numbers in [0, 1) for each of n samples, or None where nothing is to be drawn.

    Row i depends on (seed, epoch, i) only. `resized` says that images are kept in another size than the network's,
    and so are cut whatever the configuration.
    """
    plain = config.model_copy(update={"mixup": None, "cutmix": None}) == AugmentConfig()
    if plain and not resized:
        return None
    rows = random.noise(seed, epoch, n, _draws(config))
    if config.flip == "alternating":
        # Half a turn every epoch: what is below a half, and so mirrored, in one is above it in the next.
        first = random.noise(seed, 0, n, BLOCK)[:, Columns.flip]
        half = np.where(first < 0.5, first + np.float32(0.5), first - np.float32(0.5))
        rows[:, Columns.flip] = half if epoch % 2 else first
    return rows


def _draws(config: AugmentConfig) -> int:
    if config.randaugment is not None:
        return 3 * BLOCK
    coloured = config.elastic is not None or config.jitter is not None or config.lighting > 0
    return 2 * BLOCK if coloured else BLOCK
