"""From an image of any size to the size a network wants: the same function for training and prediction.

Scaling is bilinear with antialiasing: what most published weights were trained behind, without ringing, and fast.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from convworks.config import Config
from convworks.data.config import Fit
from convworks.data.resample import resample

ROUNDING = 1e-6  # pixels: what floating-point numbers may be off


class Preprocessing(Config):
    """How images become input: size (height, width), channels, fit; mean and std of pixels in 0..1.

    `share` is how much of the shorter side a crop keeps: 0.875 is scaling to 256 and cutting 224 out of the middle.
    """

    size: tuple[PositiveInt, PositiveInt]
    channels: PositiveInt
    fit: Fit
    mean: tuple[FiniteFloat, ...]
    std: tuple[Annotated[FiniteFloat, Field(gt=0)], ...]
    share: Annotated[FiniteFloat, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _one_value_a_channel(self) -> Preprocessing:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels:
                raise ValueError(f"{name} has {len(values)} values for channels={self.channels}")
        return self


def fit_array(
    array: UInt8[np.ndarray, "h w c"], size: tuple[int, int], fit: Fit, share: float = 1.0
) -> UInt8[np.ndarray, "height width c"]:
    """Bring an image of any number of channels to `size` (height, width); one that has it is returned as it is.

    crop: cut the middle out, with `share` of the shorter side, and scale it. squash: scale both sides. letterbox:
    scale the longer side, pad with 0. pad: never scale; pad with 0 or cut around the middle.
    """
    height, width = array.shape[:2]
    if (height, width) == tuple(size) and (fit != "crop" or share == 1):
        return array
    if fit == "squash":
        return resample(array, size)
    if fit == "crop":
        left, upper, right, lower = crop_box((width, height), (size[1], size[0]), share)
        return resample(array[upper:lower, left:right], size)
    if fit == "letterbox":
        scale = min(size[1] / width, size[0] / height)
        array = resample(array, (max(1, round(height * scale)), max(1, round(width * scale))))
    padded: np.ndarray = pad_arrays(array[None], size)[0]
    return padded


def fit_image(image: Image.Image, size: tuple[int, int], fit: Fit, share: float = 1.0) -> Image.Image:
    """Do as `fit_array` for an image of mode L, RGB or RGBA; colours count as much as they are opaque."""
    if image.size == (size[1], size[0]) and (fit != "crop" or share == 1):
        return image
    weighted = image.convert("RGBa") if image.mode == "RGBA" else image
    array = np.asarray(weighted).reshape(image.height, image.width, -1)
    fitted = Image.frombytes(weighted.mode, (size[1], size[0]), fit_array(array, size, fit, share).tobytes())
    return fitted if weighted is image else fitted.convert("RGBA")


def pad_arrays(arrays: UInt8[np.ndarray, "n h w c"], size: tuple[int, int]) -> UInt8[np.ndarray, "n height width c"]:
    """Do as `fit_image` with pad, for a whole set at once."""
    into, cut = zip(*(_overlap(have, want) for have, want in zip(arrays.shape[1:3], size, strict=True)), strict=True)
    canvas = np.zeros((len(arrays), *size, arrays.shape[3]), dtype=np.uint8)
    canvas[:, into[0], into[1]] = arrays[:, cut[0], cut[1]]
    return canvas


def crop_box(have: tuple[int, int], want: tuple[int, int], share: float = 1.0) -> tuple[int, int, int, int]:
    """Return the centred box (left, upper, right, lower) of the wanted width : height, `share` of the largest.

    In whole pixels, still exactly in the middle: each side is up to half a pixel away from its exact place, outward
    where that lies halfway.
    """
    scale = share * min(have[0] / want[0], have[1] / want[1])
    left, upper = (_margin(length, side * scale) for length, side in zip(have, want, strict=True))
    return left, upper, have[0] - left, have[1] - upper


def _margin(have: int, want: float) -> int:
    """Return how many pixels to leave out on either end of a side."""
    half = (have - want) / 2 - 0.5
    return min(max(0, math.ceil(half - ROUNDING)), (have - 1) // 2)


def _overlap(have: int, want: int) -> tuple[slice, slice]:
    """Return where the canvas is written and where the image is read, along one side."""
    offset = (want - have) // 2
    length = min(have, want)
    return slice(max(offset, 0), max(offset, 0) + length), slice(max(-offset, 0), max(-offset, 0) + length)
