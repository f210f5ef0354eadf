"""Iterative stratification of multi-label samples (Sechidis et al. 2011, section 3.2)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt64


def apportion(
    labels: Bool[np.ndarray, "n k"],
    targets: Float64[np.ndarray, "parts k"],
    sizes: Float64[np.ndarray, " parts"],
    keys: UInt64[np.ndarray, " n"],
) -> Int64[np.ndarray, " n"]:
    """Return the part of each image, from 0: a part gets about `targets` images of each class, and `sizes` in total.

    The class with the fewest remaining images comes first. Each of its images goes to the part that needs most of the
    class, then to the one that needs most images; ties, and the order of the images, are decided by their `keys`.
    """
    targets, sizes, parts = targets.copy(), sizes.copy(), np.full(len(labels), -1, dtype=np.int64)
    order = np.argsort(keys, kind="stable")
    remaining = labels.sum(0)

    def put(index: int, candidates: Int64[np.ndarray, " some"]) -> None:
        candidates = candidates[sizes[candidates] == sizes[candidates].max()]
        part = candidates[int(keys[index] % np.uint64(len(candidates)))]
        parts[index] = part
        targets[part] -= labels[index]
        sizes[part] -= 1

    while remaining.any():
        label = int(np.argmin(np.where(remaining > 0, remaining, len(labels) + 1)))
        for index in order[labels[order, label] & (parts[order] < 0)].tolist():
            put(index, np.flatnonzero(targets[:, label] == targets[:, label].max()))
            remaining -= labels[index]
    all_parts = np.arange(len(sizes))
    for index in order[parts[order] < 0].tolist():  # images without labels
        put(index, all_parts)
    return parts
