"""Verifying cached images: each is compared with its checksum when it is first read."""

from __future__ import annotations

import os
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import UInt8

from convworks.data.cache.memory import processors
from convworks.data.cache.store import SUM, Entry, remove
from convworks.errors import RunError

PIECE = 2**20  # bytes that a thread verifies at a time


class DamagedEntryError(RunError):
    """Images of an entry do not match their checksums; the entry is removed."""


class Sums:
    """The checksums of an entry's images, read from its open file, and which images have been verified."""

    def __init__(self, entry: Entry, handle: int) -> None:
        n = entry.shape[0]
        self.entry, self.handle = entry, handle
        size = SUM.itemsize * n
        self.expected = np.frombuffer(os.pread(handle, size, entry.bytes - size), SUM)
        self.verified = np.full(n, entry.written)

    def check(self, number: int, image: UInt8[np.ndarray, "h w c"]) -> None:
        """Verify an image once; a damaged entry is removed, and raises DamagedEntryError."""
        if self.verified[number]:
            return
        if zlib.crc32(image.data) != self.expected[number]:
            remove(self.entry)
            reason = f"is damaged (image {number} fails its checksum) and was removed"
            raise DamagedEntryError(self.entry.path, reason, "start again, or resume the run: images are decoded again")
        self.verified[number] = True

    def check_all(self) -> None:
        """Verify all images, in threads. They are read, not mapped, which would count as memory of this process."""
        n, row = len(self.verified), int(np.prod(self.entry.shape[1:]))
        step = max(1, PIECE // row)

        def piece(first: int) -> None:
            images = np.empty((min(step, n - first), *self.entry.shape[1:]), np.uint8)
            os.preadv(self.handle, [images.data.cast("B")], self.entry.start + first * row)
            for number, image in enumerate(images, first):
                self.check(number, image)

        if not self.verified.all():
            with ThreadPoolExecutor(processors()) as pool:
                list(pool.map(piece, range(0, n, step)))
