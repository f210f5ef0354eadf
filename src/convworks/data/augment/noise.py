"""The random numbers of each augmentation, and how those of an epoch are drawn."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from convworks.data import random
from convworks.data.config import AugmentConfig
from convworks.data.random import BLOCK

OPERATIONS = 8  # maximum of RandAugment


class Columns:
    """The columns of each augmentation in a sample's row of numbers; fixed, so that runs are reproducible."""

    shift = slice(0, 2)
    flip = 2
    crop = slice(3, 7)  # area, aspect ratio, and:
    position = slice(5, 7)
    affine = slice(7, 13)
    cutout = slice(13, 15)
    elastic = slice(BLOCK, BLOCK + 2)
    jitter = slice(BLOCK + 2, BLOCK + 6)
    lighting = slice(BLOCK + 6, BLOCK + 9)
    randaugment = slice(2 * BLOCK, 2 * BLOCK + 2 * OPERATIONS)


def draw(
    config: AugmentConfig, seed: int, epoch: int, n: int, *, resized: bool = False
) -> Float32[np.ndarray, "n draws"] | None:
    """Return uniform numbers in [0, 1) for each of n samples, or None without augmentation.

    Row i depends on (seed, epoch, i) only. `resized` means that images are stored in another size than the network's
    input, and are therefore cropped whatever the configuration.
    """
    plain = config.model_copy(update={"mixup": None, "cutmix": None}) == AugmentConfig()
    if plain and not resized:
        return None
    rows = random.noise(seed, epoch, n, _draws(config))
    if config.flip == "alternating":
        # Shifted by a half every second epoch: a number below a half, which means mirrored, is above it in the next.
        initial = random.noise(seed, 0, n, BLOCK)[:, Columns.flip]
        shifted = np.where(initial < 0.5, initial + np.float32(0.5), initial - np.float32(0.5))
        rows[:, Columns.flip] = shifted if epoch % 2 else initial
    return rows


def _draws(config: AugmentConfig) -> int:
    if config.randaugment is not None:
        return 3 * BLOCK
    coloured = config.elastic is not None or config.jitter is not None or config.lighting > 0
    return 2 * BLOCK if coloured else BLOCK
