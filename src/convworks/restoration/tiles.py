"""Pictures that are too large for memory, tile by tile: where tiles lie, and how restored ones are blended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

SIDE = 768  # pixels of the side of a tile, restored, at most: its activations take some gigabytes
OVERLAP = 64  # restored pixels that neighbours share, at least


class Tile(NamedTuple):
    """A rectangle of an observation, in its pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def rows(self) -> slice:
        """Its rows."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """Its columns."""
        return slice(self.left, self.left + self.width)

    def scaled(self, scale: int) -> Tile:
        """Return the same rectangle of a picture that is `scale` times as large on each side."""
        return Tile(*(scale * number for number in self))


def divide(size: tuple[int, int], scale: int = 1, *, side: int = SIDE, overlap: int = OVERLAP) -> list[Tile]:
    """Return tiles of one size that cover a picture and overlap; restored, `scale` times as large, they have `side`."""
    (rows, height), (columns, width) = (_spread(length, side // scale, overlap // scale) for length in size)
    return [Tile(top, left, height, width) for top in rows for left in columns]


def incomplete(tiles: Sequence[Tile], size: tuple[int, int], known: Bool[np.ndarray, "h w"] | None) -> list[int]:
    """Return the numbers of the tiles of a picture at `size` with something to restore: missing pixels, if any are.

    `known` may be that of the picture at a larger size.
    """
    if known is None:
        return list(range(len(tiles)))
    vertical, horizontal = (known.shape[axis] / size[axis] for axis in (0, 1))
    return [
        number
        for number, (top, left, height, width) in enumerate(tiles)
        if not known[
            math.floor(top * vertical) : math.ceil((top + height) * vertical),
            math.floor(left * horizontal) : math.ceil((left + width) * horizontal),
        ].all()
    ]


def blend(
    size: tuple[int, int], tiles: Sequence[Tile], images: Sequence[Float[Tensor, "1 c h2 w2"]], scale: int = 1
) -> Float32[Tensor, "1 c h w"]:
    """Return the picture of restored tiles, `scale` times the observed size: where they overlap, weighted means."""
    height, width = (length * scale for length in size)
    total = torch.zeros(1, images[0].shape[1], height, width)
    weights = torch.zeros(1, 1, height, width)
    for tile, image in zip(tiles, images, strict=True):
        part = tile.scaled(scale)
        weight = _ramp(part.rows, height)[:, None] * _ramp(part.columns, width)
        total[:, :, part.rows, part.columns] += image.float().cpu() * weight
        weights[:, :, part.rows, part.columns] += weight
    return total / weights


def _spread(length: int, side: int, overlap: int) -> tuple[list[int], int]:
    """Return the first pixels of tiles along an axis, evenly spread, and their length."""
    if length <= side:
        return [0], length
    count = math.ceil((length - overlap) / (side - overlap))
    part = math.ceil((length + (count - 1) * overlap) / count)  # no longer than the overlaps need
    return [round(number * (length - part) / (count - 1)) for number in range(count)], part


def _ramp(part: slice, length: int) -> Float32[Tensor, " n"]:
    """Return weights along an axis that fall towards neighbouring tiles, not towards the border of the picture."""
    positions = torch.arange(1.0, part.stop - part.start + 1)
    weight = torch.ones(len(positions))
    if part.start > 0:
        weight = torch.minimum(weight, positions / len(positions))
    if part.stop < length:
        weight = torch.minimum(weight, positions.flip(0) / len(positions))
    return weight
