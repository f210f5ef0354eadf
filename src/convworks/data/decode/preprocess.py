"""From an image of any size to the size a network wants: the same function for training and prediction.

Scaling is bilinear with antialiasing: what most published weights were trained behind, without ringing, and fast.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from pydantic import Field, FiniteFloat, model_validator

from convworks.config import Config, build
from convworks.data.config import DECODING, Channels, Decoding, Fit, Side
from convworks.data.decode.decode import to_array, to_image
from convworks.data.decode.picture import Picture, picture_of
from convworks.data.decode.resample import resample

ROUNDING = 1e-6  # pixels: what floating-point numbers may be off


class Preprocessing(Config):
    """How images become input: decoding, size (height, width), channels, fit; mean and std of pixels in 0..1.

    `share` is how much of the shorter side a crop keeps: 0.875 is scaling to 256 and cutting 224 out of the middle.
    """

    size: tuple[Side, Side]
    channels: Channels
    fit: Fit
    mean: tuple[FiniteFloat, ...]
    std: tuple[Annotated[FiniteFloat, Field(gt=0)], ...]
    share: Annotated[FiniteFloat, Field(gt=0, le=1)] = 1.0
    decoding: Decoding = DECODING

    @model_validator(mode="after")
    def _one_value_a_channel(self) -> Preprocessing:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels:
                raise ValueError(f"{name} has {len(values)} values for channels={self.channels}")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels and size of what a network reads: an example batch is torch.zeros(n, *shape)."""
        return (self.channels, *self.size)

    def with_limit(self, max_pixels: int) -> Preprocessing:
        """Return the same for images of up to so many pixels; InputError for a limit below 1."""
        decoding = build(Decoding, {**dict(self.decoding), "max_pixels": max_pixels}, where="")
        return self.model_copy(update={"decoding": decoding})


def to_input(picture: Picture, wanted: Preprocessing) -> UInt8[np.ndarray, "height width c"]:
    """Return what a network reads of a decoded image that has its channels: the one way, wherever an image is from."""
    return fit_picture(picture, wanted.size, wanted.fit, wanted.share)


def needed(wanted: Preprocessing) -> tuple[int, int] | None:
    """Return how large (height, width) the images that become input are at most wanted; None where as they are."""
    if wanted.fit == "pad":
        return None
    return math.ceil(wanted.size[0] / wanted.share), math.ceil(wanted.size[1] / wanted.share)


def fit_picture(
    picture: Picture, size: tuple[int, int], fit: Fit, share: float = 1.0
) -> UInt8[np.ndarray, "height width c"]:
    """Bring an image of any number of channels to `size` (height, width); one that has it is returned as it is.

    crop: cut the middle out, with `share` of the shorter side, and scale it. squash: scale both sides. letterbox:
    scale the longer side, pad with 0. pad: never scale; pad with 0 or cut around the middle. Of four channels, colours
    count as much as they are opaque.
    """
    pixels = picture.pixels
    height, width = pixels.shape[:2]
    if (height, width) == tuple(size) and (fit != "crop" or share == 1):
        return pixels
    if fit == "squash":
        return scale(pixels, size)
    if fit == "crop":
        left, upper, right, lower = crop_box((width, height), (size[1], size[0]), share)
        return scale(pixels[upper:lower, left:right], size)
    if fit == "letterbox":
        pixels = scale(pixels, scaled_size(picture.size, min(size[0] / picture.size[0], size[1] / picture.size[1])))
    padded: np.ndarray = pad_arrays(pixels[None], size)[0]
    return padded


def fit_array(
    array: UInt8[np.ndarray, "h w c"], size: tuple[int, int], fit: Fit, share: float = 1.0
) -> UInt8[np.ndarray, "height width c"]:
    """Do as `fit_picture` for an image that is there in full."""
    return fit_picture(picture_of(array), size, fit, share)


def fit_image(image: Image.Image, size: tuple[int, int], fit: Fit, share: float = 1.0) -> Image.Image:
    """Do as `fit_array` for an image of mode L, RGB or RGBA."""
    return to_image(fit_array(to_array(image), size, fit, share))


def scale(pixels: UInt8[np.ndarray, "h w c"], size: tuple[int, int]) -> UInt8[np.ndarray, "height width c"]:
    """Scale to `size` (height, width); pixels that have it are copied, never resampled.

    Of four channels, the fourth is how opaque the others are, and how much they count.
    """
    if pixels.shape[:2] == tuple(size):
        return pixels.copy()
    if pixels.shape[2] != 4 or pixels[:, :, 3].min() == 255:
        return resample(pixels, size)
    weighted = to_array(to_image(pixels).convert("RGBa"))
    return to_array(Image.frombytes("RGBa", (size[1], size[0]), resample(weighted, size).tobytes()).convert("RGBA"))


def scaled_size(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Return a size (height, width) times a factor, in whole pixels."""
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def pad_arrays(arrays: UInt8[np.ndarray, "n h w c"], size: tuple[int, int]) -> UInt8[np.ndarray, "n height width c"]:
    """Do as `fit_array` with pad, for a whole set at once."""
    into, cut = zip(*(_overlap(have, want) for have, want in zip(arrays.shape[1:3], size, strict=True)), strict=True)
    canvas = np.zeros((len(arrays), *size, arrays.shape[3]), dtype=np.uint8)
    canvas[:, into[0], into[1]] = arrays[:, cut[0], cut[1]]
    return canvas


def crop_box(have: tuple[int, int], want: tuple[int, int], share: float = 1.0) -> tuple[int, int, int, int]:
    """Return the centred box (left, upper, right, lower) of the wanted width : height, `share` of the largest.

    In whole pixels. A box of the wanted size is that size, and `middle` says where it begins: nothing is resampled
    because a margin is odd. One that is scaled lies exactly in the middle: each side is up to half a pixel away from
    its exact place, outward where that lies halfway.
    """
    factor = share * min(have[0] / want[0], have[1] / want[1])
    if all(round(side * factor) == side for side in want):
        left, upper = (middle(length, side) for length, side in zip(have, want, strict=True))
        return left, upper, left + want[0], upper + want[1]
    left, upper = (_margin(length, side * factor) for length, side in zip(have, want, strict=True))
    return left, upper, have[0] - left, have[1] - upper


def middle(have: int, want: int) -> int:
    """Return where a part of `want` pixels begins in the middle of `have`, as torchvision's CenterCrop has it.

    Where the margin is odd, there are two middles: it is the even number.
    """
    return round((have - want) / 2)


def _margin(have: int, want: float) -> int:
    """Return how many pixels to leave out on either end of a side."""
    half = (have - want) / 2 - 0.5
    return min(max(0, math.ceil(half - ROUNDING)), (have - 1) // 2)


def _overlap(have: int, want: int) -> tuple[slice, slice]:
    """Return where the canvas is written and where the image is read, along one side."""
    start = (want - have) // 2 if want > have else 0
    first = middle(have, want) if have > want else 0
    length = min(have, want)
    return slice(start, start + length), slice(first, first + length)
