"""Signed values as colours: blue negative, white zero, orange positive (safe for colour blindness)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from convworks.charts.drawing import PALETTE

#: The index of zero among the 255 signed colours: 0 is the most negative, 254 the most positive.
ZERO = 127
#: Fraction of values within the colour range; those beyond (a few strong edges) saturate.
WITHIN = 0.98
#: If the largest value exceeds that quantile by less than this factor, nothing saturates.
FEW = 1.5
SAMPLE = 1 << 20
VIEW = 750  # pixels


def signed_scale(values: Float32[np.ndarray, "h w"], largest: float) -> float:
    """Return the absolute value that gets the strongest colour: the largest, or a quantile.

    Arrays much larger than a screen are reduced as `strongest` does, on a sample of about 2^20 values.
    """
    times = min(max(1, max(values.shape) // VIEW), *values.shape)
    high, wide = (length // times for length in values.shape)
    step = max(1, values.size // SAMPLE)
    blocks = values[: high * times, : wide * times].reshape(high, times, wide * times)[::step]
    magnitudes = np.abs(blocks).max(1)
    quantile = float(np.quantile(np.max([magnitudes[:, shift::times] for shift in range(times)], axis=0), WITHIN))
    return quantile if 0 < FEW * quantile < largest else largest or 1.0


def signed_picture(values: Float32[np.ndarray, "h w"], scale: float) -> Image.Image:
    """Return values as an image: blue negative, white zero, orange positive, saturated at -scale and scale."""
    indices = np.empty(values.shape, np.uint8)
    for first in range(0, len(values), 64):  # in parts, so that intermediate values stay in the cache
        part = values[first : first + 64] * np.float32(ZERO / scale)
        np.rint(part, out=part)
        part += ZERO
        np.clip(part, 0, 2 * ZERO, out=part)
        np.copyto(indices[first : first + 64], part, casting="unsafe")
    picture = Image.fromarray(indices)
    picture.putpalette(signed_colours().tobytes())
    return picture


def signed_colours() -> UInt8[np.ndarray, "255 3"]:
    """Return the colour map from blue over white to orange."""
    ends = [np.array(list(bytes.fromhex(PALETTE[name][1:]))) for name in ("blue", "paper", "orange")]
    fraction = np.linspace(0, 1, ZERO + 1)[:, None]
    falling, rising = (ends[1] + fraction * (end - ends[1]) for end in (ends[0], ends[2]))
    return np.asarray(np.rint(np.concatenate([falling[:0:-1], rising])), dtype=np.uint8)


def strongest(picture: Image.Image, times: int) -> Image.Image:
    """Downsample by keeping, of each square, the colour farthest from zero: the mean would be nearly white."""
    times = min(times, *picture.size)
    high, wide = (length // times for length in (picture.height, picture.width))
    indices = np.asarray(picture)[: high * times, : wide * times]
    rows = indices.reshape(high, times, wide * times)
    low, top = rows.min(1), rows.max(1)
    low = np.minimum.reduce([low[:, shift::times] for shift in range(times)])
    top = np.maximum.reduce([top[:, shift::times] for shift in range(times)])
    shrunk = Image.fromarray(np.asarray(np.where(ZERO - low.astype(int) > top.astype(int) - ZERO, low, top)))
    shrunk.putpalette(signed_colours().tobytes())
    return shrunk
