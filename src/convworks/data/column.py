"""Columns: one value for each sample of a split, in files or in memory."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from convworks.data.location import Location, byte_size

#: Colours of classes (red, green, blue), in order.
Colours = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Coding:
    """What the pixels of masks stand for.

    `values` are those of the classes, in order: numbers (v,) or colours (r, g, b), or () where no pixel is of a class;
    `ignored` are those of pixels without a class. A decoded mask holds the index of each pixel's class, or IGNORED.
    """

    values: tuple[tuple[int, ...], ...]
    ignored: tuple[tuple[int, ...], ...] = ()

    @property
    def coloured(self) -> bool:
        """Whether classes are colours."""
        return any(len(value) > 1 for value in self.values)

    @property
    def colours(self) -> Colours | None:
        """The colour of each class, where every class has one."""
        colours = [(value[0], value[1], value[2]) for value in self.values if len(value) == 3]
        return tuple(colours) if colours and len(colours) == len(self.values) else None

    def __str__(self) -> str:
        texts = [" ".join(map(written, values)) for values in (self.values, self.ignored)]
        return f"{texts[0]}, ignored {texts[1]}" if self.ignored else texts[0]


@dataclass(frozen=True, kw_only=True)
class Spatial:
    """How geometry treats the pixels of a column: crops, flips and distortions move it together with the input.

    `nearest` means that pixels are numbers of classes, which are not interpolated; `fill` is the value outside. With a
    `coding`, pixels are numbers of classes only once they are decoded.
    """

    nearest: bool = False
    fill: int = 0
    coding: Coding | None = None


#: Pixels that are colours.
COLOURS = Spatial()
#: The greatest number in a mask; in decoded masks that of pixels without a class, which losses and metrics leave out.
LARGEST = IGNORED = 255


def written(value: tuple[int, ...]) -> str:
    """Write the value of a pixel, a number or a colour, as people do: 7, or 64,0,128."""
    return ",".join(map(str, value))


@dataclass(frozen=True)
class Files:
    """A column of image files, not yet decoded."""

    files: tuple[Location, ...]
    spatial: Spatial = COLOURS

    def __len__(self) -> int:
        return len(self.files)

    def select(self, indices: Int[np.ndarray, " m"]) -> Files:
        """Return the samples at `indices`, in that order."""
        return replace(self, files=tuple([self.files[i] for i in indices]))

    def contents(self) -> list[int]:
        """Return the size of each file in bytes, which identifies it without reading it."""
        return list(map(byte_size, self.files))

    def fingerprint(self) -> str:
        """Return a digest of the sizes of all files."""
        return digest(repr(self.contents()).encode())


@dataclass(frozen=True)
class Arrays:
    """A column in memory [n, ...]: labels, vectors, or uint8 pixels [n, h, w, c], which are `spatial`."""

    values: np.ndarray
    spatial: Spatial | None = None

    def __len__(self) -> int:
        return len(self.values)

    def select(self, indices: Int[np.ndarray, " m"]) -> Arrays:
        """Return the samples at `indices`, in that order."""
        return replace(self, values=self.values[indices])

    def contents(self) -> list[int]:
        """Return a checksum of each sample."""
        return [zlib.crc32(value) for value in np.ascontiguousarray(self.values)]

    def fingerprint(self) -> str:
        """Return a digest of all values; for pixels by way of a checksum, as runs of earlier versions recorded it."""
        content = np.ascontiguousarray(self.values).tobytes()
        return digest(content if self.spatial is None else repr([zlib.crc32(content)]).encode())


Column = Files | Arrays


def join(columns: Sequence[Column]) -> Column:
    """Join columns of one kind, end to end."""
    first = columns[0]
    if isinstance(first, Files):
        return replace(first, files=tuple([file for column in columns for file in files_of(column)]))
    return replace(first, values=np.concatenate([column.values for column in columns if isinstance(column, Arrays)]))


def files_of(column: Column) -> tuple[Location, ...]:
    """Return the files of a column; none for one in memory."""
    return column.files if isinstance(column, Files) else ()


def digest(content: bytes) -> str:
    """Return a digest of 16 hexadecimal characters."""
    return hashlib.sha256(content).hexdigest()[:16]
