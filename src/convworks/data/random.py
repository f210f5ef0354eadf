"""Random numbers as a function of (seed, epoch, sample index), whatever the workers, ranks and resumes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64

# One stream of numbers for each purpose, so that a new purpose does not shift the numbers of another.
ORDER, AUGMENT, SPLIT, STEP = range(4)


def generator(seed: int, stream: int, *counters: int) -> np.random.Generator:
    """Return the generator of a stream at the given counters (epoch, step ...)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, stream, *counters])))


def order(seed: int, epoch: int, n: int) -> Int64[np.ndarray, "n"]:
    """Return the order in which an epoch visits its n samples."""
    return generator(seed, ORDER, epoch).permutation(n)


def noise(seed: int, epoch: int, n: int, draws: int) -> Float32[np.ndarray, "n draws"]:
    """Return `draws` uniform numbers in [0, 1) for each sample; row i depends on (seed, epoch, i) only."""
    return generator(seed, AUGMENT, epoch).random((n, draws), dtype=np.float32)


def step_seed(seed: int, step: int) -> int:
    """Return the seed of everything that a training step itself draws (dropout)."""
    return int(generator(seed, STEP, step).integers(2**63))
