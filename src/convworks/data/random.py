"""Random numbers as a function of (seed, epoch, sample index), whatever the workers, ranks and resumes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64

# One stream of numbers for each purpose, so that a new purpose does not shift the numbers of another.
ORDER, AUGMENT, SPLIT, STEP, MIX, CORRUPT, CORRUPT_FIXED = range(7)
BLOCK = 16  # augmentation's numbers a sample that are drawn together


def generator(seed: int, stream: int, *counters: int) -> np.random.Generator:
    """Return the generator of a stream at the given counters (epoch, step ...)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, stream, *counters])))


def order(seed: int, epoch: int, n: int) -> Int64[np.ndarray, "n"]:
    """Return the order in which an epoch visits its n samples."""
    return generator(seed, ORDER, epoch).permutation(n)


def balanced_order(seed: int, epoch: int, labels: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """Return an epoch of n draws in which every class comes equally often, up to one; rare samples come repeatedly."""
    draw = generator(seed, ORDER, epoch)
    classes = draw.permutation(np.unique(labels))  # who gets one more is up to chance
    found = []
    for at, label in enumerate(classes):
        members = np.flatnonzero(labels == label)
        wanted = len(labels) // len(classes) + (at < len(labels) % len(classes))
        rounds = -(-wanted // len(members))
        found.append(np.concatenate([draw.permutation(members) for _ in range(rounds)])[:wanted])
    order: np.ndarray = draw.permutation(np.concatenate(found))
    return order


def noise(seed: int, epoch: int, n: int, draws: int) -> Float32[np.ndarray, "n draws"]:
    """Return `draws` uniform numbers in [0, 1) for each sample; row i depends on (seed, epoch, i) only.

    They come in blocks of 16, each from a stream of its own: more of them leave the first ones as they are.
    """
    blocks = [
        generator(seed, AUGMENT, epoch, *([first // BLOCK] if first else [])).random(
            (n, min(BLOCK, draws - first)), dtype=np.float32
        )
        for first in range(0, draws, BLOCK)
    ]
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """Return the seed of everything that a training step itself draws (dropout), in one of several processes."""
    return int(generator(seed, STEP, step, *([rank] if rank else [])).integers(2**63))
