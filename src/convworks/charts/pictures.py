"""Samples as images for a page."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from convworks.charts.raster import DENSITY

#: The longest side of an image, in points.
TILE = 132


def as_picture(pixels: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    """Return pixels as greyscale (one channel), RGB (three) or the mean over channels; large images are shrunk."""
    channels = pixels.shape[2]
    flat = pixels if channels == 3 else pixels[:, :, 0] if channels == 1 else pixels.mean(2).round().astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(flat))
    longest, side = max(picture.size), TILE * DENSITY
    if longest <= side:
        return picture
    width, height = (max(1, round(length * side / longest)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
