"""The decoded images of a cache entry, read on demand: memory holds only those in use."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from convworks.data.cache.store import Entry, mapped
from convworks.data.cache.sums import Sums
from convworks.errors import RunError

#: Smaller images are mapped instead: a system call for each would take longer than copying it.
SMALLEST = 16 * 2**10  # bytes


class OnDisk:
    """Images [n, c, h, w] of an entry, usable after its removal from the cache; OSError if it is already gone."""

    def __init__(self, entry: Entry) -> None:
        n, h, w, c = entry.shape
        self.entry = entry
        self.shape = torch.Size((n, c, h, w))
        self.handle = os.open(entry.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        weakref.finalize(self, os.close, self.handle)
        self.sums = Sums(entry, self.handle)

    def __len__(self) -> int:
        return self.entry.shape[0]

    def read(self, indices: Iterable[int]) -> UInt8[Tensor, "b c h w"]:
        """Return the images at `indices`, in channels_last memory; thread-safe."""
        indices = list(indices)
        out = np.empty((len(indices), *self.entry.shape[1:]), np.uint8)
        size = out[:1].nbytes
        for row, index in zip(out, indices, strict=True):
            if os.preadv(self.handle, [row.data.cast("B")], self.entry.start + index * size) != size:
                raise RunError(self.entry.path, "was truncated", "remove it with `convworks cache --clear`")
            self.sums.check(index, row)
        return torch.from_numpy(out).permute(0, 3, 1, 2)

    def mapped(self) -> UInt8[Tensor, "n c h w"]:
        """Return all images as a private memory map (copy on write)."""
        self.sums.check_all()
        return torch.from_numpy(mapped(self.handle, self.entry)).permute(0, 3, 1, 2)

    def to(self, device: torch.device) -> OnDisk | Tensor:
        """Return the images on another device; for the CPU they stay on disk."""
        return self if device.type == "cpu" else self.mapped().to(device)


def worth_it(entry: Entry) -> bool:
    """Return whether the images of an entry are large enough to be read one by one, and the system supports it."""
    return hasattr(os, "preadv") and int(np.prod(entry.shape[1:])) >= SMALLEST
