"""The decoded images of a cache entry, read when they are wanted: what they take of memory is what is worked on."""

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

#: Smaller images are mapped instead: to ask the system for each would take longer than to copy it.
SMALLEST = 16 * 2**10  # bytes


class OnDisk:
    """Images [n, c, h, w] of an entry, which may be removed from the cache later; OSError where it is gone before."""

    def __init__(self, entry: Entry) -> None:
        n, h, w, c = entry.shape
        self.entry = entry
        self.shape = torch.Size((n, c, h, w))
        self.handle = os.open(entry.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        weakref.finalize(self, os.close, self.handle)
        self.sums = Sums(entry, self.handle)

    def __len__(self) -> int:
        return self.entry.shape[0]

    def read(self, places: Iterable[int]) -> UInt8[Tensor, "b c h w"]:
        """Return some of them, in channels_last memory; from any thread."""
        numbers = list(places)
        out = np.empty((len(numbers), *self.entry.shape[1:]), np.uint8)
        size = out[:1].nbytes
        for row, number in zip(out, numbers, strict=True):
            if os.preadv(self.handle, [row.data.cast("B")], self.entry.start + number * size) != size:
                raise RunError(self.entry.path, "has become shorter", "remove it with `convworks cache --clear`")
            self.sums.check(number, row)
        return torch.from_numpy(out).permute(0, 3, 1, 2)

    def mapped(self) -> UInt8[Tensor, "n c h w"]:
        """Return all of them, mapped into memory; who writes to them changes his own copy alone."""
        self.sums.check_all()
        return torch.from_numpy(mapped(self.handle, self.entry)).permute(0, 3, 1, 2)

    def to(self, device: torch.device) -> OnDisk | Tensor:
        """Return them on another device; those that the processor works on stay where they are."""
        return self if device.type == "cpu" else self.mapped().to(device)


def worth_it(entry: Entry) -> bool:
    """Tell whether the images of an entry are large enough to be read one by one, on a system that can do so."""
    return hasattr(os, "preadv") and int(np.prod(entry.shape[1:])) >= SMALLEST
