"""Random numbers as a function of (seed, epoch, sample index), independent of workers, ranks and resumes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64

# One stream of numbers per purpose, so that a new purpose does not change the numbers of another.
ORDER, AUGMENT, SPLIT, STEP, MIX, CORRUPT, CORRUPT_FIXED = range(7)
BLOCK = 16  # numbers per sample drawn together for augmentation


def generator(seed: int, stream: int, *counters: int) -> np.random.Generator:
    """Return the generator of a stream at the given counters (epoch, step ...)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, stream, *counters])))


def order(seed: int, epoch: int, n: int) -> Int64[np.ndarray, "n"]:
    """Return the order in which an epoch visits its n samples."""
    return generator(seed, ORDER, epoch).permutation(n)


def balanced_order(seed: int, epoch: int, labels: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """Return the order of a class-balanced epoch: class counts differ by at most one, and rare samples are repeated."""
    rng = generator(seed, ORDER, epoch)
    classes = rng.permutation(np.unique(labels))  # chance decides which classes get one more
    chosen = []
    for index, label in enumerate(classes):
        members = np.flatnonzero(labels == label)
        quota = len(labels) // len(classes) + (index < len(labels) % len(classes))
        rounds = -(-quota // len(members))
        chosen.append(np.concatenate([rng.permutation(members) for _ in range(rounds)])[:quota])
    order: np.ndarray = rng.permutation(np.concatenate(chosen))
    return order


def noise(seed: int, epoch: int, n: int, draws: int) -> Float32[np.ndarray, "n draws"]:
    """Return `draws` uniform numbers in [0, 1) for each sample; row i depends on (seed, epoch, i) only.

    They are drawn in blocks of 16, each from its own stream: more numbers do not change the first ones.
    """
    blocks = [
        generator(seed, AUGMENT, epoch, *([first // BLOCK] if first else [])).random(
            (n, min(BLOCK, draws - first)), dtype=np.float32
        )
        for first in range(0, draws, BLOCK)
    ]
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)


def step_seed(seed: int, step: int) -> int:
    """Return the seed of the random numbers of a training step (dropout), in all processes."""
    return int(generator(seed, STEP, step).integers(2**63))
