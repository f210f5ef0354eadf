"""Where images come from, and how they are varied in training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from convworks.config import Config

Fit = Literal["crop", "squash", "letterbox", "pad"]


class DataConfig(Config):
    """A source, and the images that the network gets from it.

    `size` (height, width) and `channels` are those of the images themselves where None. `mean` and `std` (in 0..1,
    one number a channel) are measured on the training images where None. `validation` is the fraction split off the
    training set, at most `validation_limit` images, where the source has no validation set of its own.
    """

    source: str
    size: tuple[PositiveInt, PositiveInt] | None = None
    channels: PositiveInt | None = None
    fit: Fit = "crop"
    mean: tuple[float, ...] | None = None
    std: tuple[PositiveFloat, ...] | None = None
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    validation_limit: PositiveInt | None = None


class AffineConfig(Config):
    """Ranges of random planar distortions (LeCun et al. 1998, section III.A), each drawn uniformly from +-range.

    `translate` is in fractions of the image, `rotate` in degrees, `scale` and `squeeze` are relative (squeeze
    compresses one axis and elongates the other), `shear` is horizontal, in units of the height.
    """

    translate: Annotated[float, Field(ge=0, le=1)] = 0.0
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    squeeze: Annotated[float, Field(ge=0, lt=1)] = 0.0
    shear: Annotated[float, Field(ge=0, le=2)] = 0.0


class AugmentConfig(Config):
    """What is done to training images: shift by up to so many pixels, mirror, cut a random part, distort.

    `crop` is the smallest share of the area that a random crop keeps (Szegedy et al. 2014; its sides have a ratio
    between 3/4 and 4/3); the crop is resized to the full image. `border` says what a shift brings in.
    """

    shift: Annotated[int, Field(ge=0)] = 0
    border: Literal["background", "reflect"] = "background"
    flip: bool = False
    crop: Annotated[float, Field(gt=0, le=1)] | None = None
    affine: AffineConfig | None = None

    @field_validator("crop")
    @classmethod
    def _whole(cls, crop: float | None) -> float | None:
        return None if crop == 1 else crop
