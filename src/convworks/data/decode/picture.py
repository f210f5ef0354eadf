"""A decoded image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8


class Picture(NamedTuple):
    """The pixels of an image, and the size (height, width) of the original.

    The two differ if a JPEG was decoded at a fraction of its size; positions are relative to the size.
    """

    pixels: UInt8[np.ndarray, "h w c"]
    size: tuple[int, int]


def picture_of(pixels: UInt8[np.ndarray, "h w c"]) -> Picture:
    """Wrap an image decoded at full size."""
    return Picture(pixels, (pixels.shape[0], pixels.shape[1]))
