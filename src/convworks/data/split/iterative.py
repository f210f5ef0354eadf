"""Iterative stratification (Sechidis et al. 2011, section 3.2): parts in which every class of several has its share."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt64


def apportion(
    labels: Bool[np.ndarray, "n k"],
    wanted: Float64[np.ndarray, "parts k"],
    sizes: Float64[np.ndarray, " parts"],
    keys: UInt64[np.ndarray, " n"],
) -> Int64[np.ndarray, " n"]:
    """Return the part of each image, from 0: of each class a part gets about as many as `wanted`, in all `sizes`.

    The class with the fewest images left comes first. Each of its images goes where most of the class are wanted, of
    equals where most images are; what is still equal, and the order of the images, is decided by their `keys`.
    """
    wanted, sizes, parts = wanted.copy(), sizes.copy(), np.full(len(labels), -1, dtype=np.int64)
    order = np.argsort(keys, kind="stable")
    left = labels.sum(0)

    def put(index: int, among: Int64[np.ndarray, " some"]) -> None:
        among = among[sizes[among] == sizes[among].max()]
        part = among[int(keys[index] % np.uint64(len(among)))]
        parts[index] = part
        wanted[part] -= labels[index]
        sizes[part] -= 1

    while left.any():
        label = int(np.argmin(np.where(left > 0, left, len(labels) + 1)))
        for index in order[labels[order, label] & (parts[order] < 0)].tolist():
            put(index, np.flatnonzero(wanted[:, label] == wanted[:, label].max()))
            left -= labels[index]
    everything = np.arange(len(sizes))
    for index in order[parts[order] < 0].tolist():  # they show nothing
        put(index, everything)
    return parts
