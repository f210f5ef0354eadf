"""Fitting images to the input size of a network: the same function for training and prediction.

Scaling is bilinear with antialiasing, as for most published weights: free of ringing, and fast.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from pydantic import Field, FiniteFloat, model_validator

from convworks.config import Config, build
from convworks.data.column import COLOURS, Spatial
from convworks.data.config import DECODING, Channels, Decoding, Fit, Side
from convworks.data.decode.decode import to_array, to_image
from convworks.data.decode.picture import Picture, picture_of
from convworks.data.decode.resample import nearest, resample
from convworks.errors import InputError

ROUNDING = 1e-6  # pixels: tolerance for floating-point error
#: What is covered by images of moderate proportions becomes at most so many times as large, and passes any limit.
MODERATE = 16


class Preprocessing(Config):
    """How images become input: decoding, size (height, width), channels, fit; mean and std of pixels in 0..1.

    `crop_fraction` is the fraction of the shorter side that a crop keeps: 0.875 scales to 256 and crops the
    central 224.
    """

    size: tuple[Side, Side]
    channels: Channels
    fit: Fit
    mean: tuple[FiniteFloat, ...]
    std: tuple[Annotated[FiniteFloat, Field(gt=0)], ...]
    crop_fraction: Annotated[FiniteFloat, Field(gt=0, le=1)] = 1.0
    decoding: Decoding = DECODING

    @model_validator(mode="after")
    def _one_value_per_channel(self) -> Preprocessing:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels:
                raise ValueError(f"{name} has {len(values)} values for channels={self.channels}")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels and size of what a network reads: an example batch is torch.zeros(n, *shape)."""
        return (self.channels, *self.size)

    def with_limit(self, max_pixels: int) -> Preprocessing:
        """Return a copy with another limit of pixels per image; raises InputError for a limit below 1."""
        decoding = build(Decoding, {**dict(self.decoding), "max_pixels": max_pixels}, where="")
        return self.model_copy(update={"decoding": decoding})


def to_input(
    picture: Picture, preprocessing: Preprocessing, spatial: Spatial = COLOURS
) -> UInt8[np.ndarray, "height width c"]:
    """Fit a decoded image, which has the right number of channels, to the network's input size."""
    return fit_picture(picture, preprocessing.size, preprocessing.fit, preprocessing.crop_fraction, spatial)


def needed(preprocessing: Preprocessing) -> tuple[int, int] | None:
    """Return the largest size (height, width) at which images need to be decoded; None for their own size."""
    if preprocessing.fit == "pad":
        return None
    height, width = preprocessing.size
    return math.ceil(height / preprocessing.crop_fraction), math.ceil(width / preprocessing.crop_fraction)


def fit_picture(
    picture: Picture, size: tuple[int, int], fit: Fit, crop_fraction: float = 1.0, spatial: Spatial = COLOURS
) -> UInt8[np.ndarray, "height width c"]:
    """Fit an image with any number of channels to `size` (height, width); an image of that size is returned unchanged.

    crop: take the central crop with `crop_fraction` of the shorter side, and scale it. squash: scale each side
    separately. letterbox: scale the longer side, pad with the fill of `spatial`. pad: never scale; pad, or crop around
    the centre. Of four channels, the fourth is alpha, by which the colours are weighted.
    """
    pixels, resize = picture.pixels, nearest if spatial.nearest else scale
    height, width = pixels.shape[:2]
    if (height, width) == tuple(size) and (fit != "crop" or crop_fraction == 1):
        return pixels
    if fit == "squash":
        return resize(pixels, size)
    if fit == "crop":
        left, upper, right, lower = crop_box((width, height), (size[1], size[0]), crop_fraction)
        return resize(pixels[upper:lower, left:right], size)
    if fit == "letterbox":
        pixels = resize(pixels, scaled_size(picture.size, min(size[0] / picture.size[0], size[1] / picture.size[1])))
    padded: np.ndarray = pad_arrays(pixels[None], size, spatial.fill)[0]
    return padded


def fit_array(
    array: UInt8[np.ndarray, "h w c"], size: tuple[int, int], fit: Fit, crop_fraction: float = 1.0
) -> UInt8[np.ndarray, "height width c"]:
    """Apply `fit_picture` to an image decoded at full size."""
    return fit_picture(picture_of(array), size, fit, crop_fraction)


def fit_image(image: Image.Image, size: tuple[int, int], fit: Fit, crop_fraction: float = 1.0) -> Image.Image:
    """Apply `fit_array` to an image of mode L, RGB or RGBA."""
    return to_image(fit_array(to_array(image), size, fit, crop_fraction))


def scale(pixels: UInt8[np.ndarray, "h w c"], size: tuple[int, int]) -> UInt8[np.ndarray, "height width c"]:
    """Scale to `size` (height, width); pixels of that size are copied, not resampled.

    Of four channels, the fourth is alpha, by which the colours are weighted.
    """
    if pixels.shape[:2] == tuple(size):
        return pixels.copy()
    if pixels.shape[2] != 4 or pixels[:, :, 3].min() == 255:
        return resample(pixels, size)
    weighted = to_array(to_image(pixels).convert("RGBa"))
    return to_array(Image.frombytes("RGBa", (size[1], size[0]), resample(weighted, size).tobytes()).convert("RGBA"))


def scaled_size(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Multiply a size (height, width) by a factor, rounded to whole pixels."""
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def covering_size(
    where: object, have: tuple[int, int], want: tuple[int, int], max_pixels: int, crop_fraction: float = 1.0
) -> tuple[int, int]:
    """Return the size at which an image, or of its shorter side a fraction, covers `want` (height, width).

    A thin image can become thousands of times as large: InputError where it then has more than `max_pixels`.
    """
    height, width = scaled_size(have, max(most / side for most, side in zip(want, have, strict=True)) / crop_fraction)
    limit = max(max_pixels, MODERATE * math.prod(want))
    if height * width > limit:
        reason = f"is {have[1]}x{have[0]}; scaled to cover {want[1]}x{want[0]}, it would have {height * width:,} pixels"
        raise InputError(where, f"{reason}, more than {limit:,}", "crop it, or raise the limit: --max-pixels N")
    return height, width


def pad_arrays(
    arrays: UInt8[np.ndarray, "n h w c"], size: tuple[int, int], fill: int = 0
) -> UInt8[np.ndarray, "n height width c"]:
    """Apply `fit_array` with pad to a batch of images."""
    targets, sources = zip(
        *(_overlap(have, want) for have, want in zip(arrays.shape[1:3], size, strict=True)), strict=True
    )
    canvas = np.full((len(arrays), *size, arrays.shape[3]), fill, dtype=np.uint8)
    canvas[:, targets[0], targets[1]] = arrays[:, sources[0], sources[1]]
    return canvas


def crop_box(have: tuple[int, int], want: tuple[int, int], crop_fraction: float = 1.0) -> tuple[int, int, int, int]:
    """Return the centred box (left, upper, right, lower) with the proportions of `want` (width, height).

    Its sides are `crop_fraction` of those of the largest such box, in whole pixels. A box of size `want` keeps that
    size, starting at `middle`, so that an odd margin does not cause resampling. A box that will be scaled is exactly
    centred: each edge is up to half a pixel from its exact position, rounded outward from halfway.
    """
    factor = crop_fraction * min(have[0] / want[0], have[1] / want[1])
    if all(round(side * factor) == side for side in want):
        left, upper = (middle(length, side) for length, side in zip(have, want, strict=True))
        return left, upper, left + want[0], upper + want[1]
    left, upper = (_margin(length, side * factor) for length, side in zip(have, want, strict=True))
    return left, upper, have[0] - left, have[1] - upper


def middle(have: int, want: int) -> int:
    """Return the start of a central part of `want` pixels out of `have`, as in torchvision's CenterCrop.

    An odd margin leaves two choices, of which the even number is taken.
    """
    return round((have - want) / 2)


def _margin(have: int, want: float) -> int:
    """Return the number of pixels to leave out at either end of a side."""
    half = (have - want) / 2 - 0.5
    return min(max(0, math.ceil(half - ROUNDING)), (have - 1) // 2)


def _overlap(have: int, want: int) -> tuple[slice, slice]:
    """Return the slices of canvas and image that correspond, along one side."""
    start = (want - have) // 2 if want > have else 0
    first = middle(have, want) if have > want else 0
    length = min(have, want)
    return slice(start, start + length), slice(first, first + length)
