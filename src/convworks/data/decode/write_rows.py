"""A PNG of class numbers, written some rows at a time: it is never held whole."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from convworks import files
from convworks.data.decode.rows import PNG_START, chunk

LEVEL = 6  # of compression


class MaskWriter:
    """Writes the rows of a mask, from the top down."""

    def __init__(self, width: int, put: Callable[[bytes], object]) -> None:
        self.width = width
        self.put = put
        self.rows = 0
        self.deflate = zlib.compressobj(LEVEL)

    def write(self, rows: UInt8[np.ndarray, "h w"]) -> None:
        """Add rows of class numbers."""
        filtered = np.zeros((len(rows), self.width + 1), np.uint8)  # the first byte of a row: no filter
        filtered[:, 1:] = rows
        self.rows += len(rows)
        if compressed := self.deflate.compress(filtered.tobytes()):
            self.put(chunk(b"IDAT", compressed))


@contextmanager
def writing_mask(
    path: Path, height: int, width: int, colours: Sequence[tuple[int, int, int]] = ()
) -> Iterator[MaskWriter]:
    """Write a PNG of class numbers [h, w] atomically, with a palette of `colours` if there are any, else grey.

    Fewer rows than `height` are an error of the caller; the file then does not appear.
    """
    with files.atomic(path) as file:
        head = struct.pack(">IIBBBBB", width, height, 8, 3 if colours else 0, 0, 0, 0)
        file.write(PNG_START + chunk(b"IHDR", head))
        if colours:
            file.write(chunk(b"PLTE", bytes(value for colour in colours for value in colour)))
        writer = MaskWriter(width, file.write)
        yield writer
        assert writer.rows == height, f"{writer.rows} of {height} rows"
        file.write(chunk(b"IDAT", writer.deflate.flush()) + chunk(b"IEND", b""))
