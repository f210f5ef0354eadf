"""From an image of any size to the size a network wants: the same function for training and prediction."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from convworks.config import Config
from convworks.data.config import Fit

# Bilinear with antialiasing: what most published weights were trained behind, without ringing, and fast.
FILTER = Image.Resampling.BILINEAR


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


def fit_image(image: Image.Image, size: tuple[int, int], fit: Fit, share: float = 1.0) -> Image.Image:
    """Bring an image to `size` (height, width); one that has it already is returned as it is.

    crop: cut the middle out, with `share` of the shorter side, and scale it. squash: scale both sides. letterbox:
    scale the longer side, pad with 0. pad: never scale; pad with 0 or cut around the middle.
    """
    height, width = size
    if image.size == (width, height) and (fit != "crop" or share == 1):
        return image
    if fit == "squash":
        return image.resize((width, height), FILTER)
    if fit == "crop":
        return image.resize((width, height), FILTER, box=crop_box(image.size, (width, height), share))
    if fit == "letterbox":
        scale = min(width / image.width, height / image.height)
        inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(inner, FILTER)
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas


def fit_array(
    array: UInt8[np.ndarray, "h w c"], size: tuple[int, int], fit: Fit, share: float = 1.0
) -> UInt8[np.ndarray, "height width c"]:
    """Do as `fit_image` for any number of channels, channel by channel."""
    if array.shape[:2] == tuple(size) and (fit != "crop" or share == 1):
        return array
    planes = [Image.fromarray(np.ascontiguousarray(array[:, :, channel])) for channel in range(array.shape[2])]
    return np.stack([np.asarray(fit_image(plane, size, fit, share)) for plane in planes], axis=2)


def pad_arrays(arrays: UInt8[np.ndarray, "n h w c"], size: tuple[int, int]) -> UInt8[np.ndarray, "n height width c"]:
    """Do as `fit_image` with pad, for a whole set at once."""
    into, cut = zip(*(_overlap(have, want) for have, want in zip(arrays.shape[1:3], size, strict=True)), strict=True)
    canvas = np.zeros((len(arrays), *size, arrays.shape[3]), dtype=np.uint8)
    canvas[:, into[0], into[1]] = arrays[:, cut[0], cut[1]]
    return canvas


def crop_box(have: tuple[int, int], want: tuple[int, int], share: float = 1.0) -> tuple[float, float, float, float]:
    """Return the centred box (left, upper, right, lower) of the wanted width : height, `share` of the largest."""
    scale = share * min(have[0] / want[0], have[1] / want[1])
    width, height = min(want[0] * scale, have[0]), min(want[1] * scale, have[1])
    left, upper = (have[0] - width) / 2, (have[1] - height) / 2
    return left, upper, min(left + width, have[0]), min(upper + height, have[1])


def _overlap(have: int, want: int) -> tuple[slice, slice]:
    """Return where the canvas is written and where the image is read, along one side."""
    offset = (want - have) // 2
    length = min(have, want)
    return slice(max(offset, 0), max(offset, 0) + length), slice(max(-offset, 0), max(-offset, 0) + length)
