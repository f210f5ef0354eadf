"""Configuration of data: sources, decoding, splits and augmentation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, FiniteFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from convworks.config import Config

Fit = Literal["crop", "squash", "letterbox", "pad"]
Border = Literal["background", "reflect"]
Side = Annotated[int, Field(ge=1, le=2**16)]  # pixels: the maximum of any image format
Channels = Annotated[int, Field(ge=1, le=2**12)]
#: A small file may declare any number of pixels; this many take a quarter of a gigabyte in colour.
MAX_PIXELS = 89_478_485


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if not ends[0] < ends[1]:
        raise ValueError("the value of black must be below that of white")
    return ends


FloatRange = Annotated[tuple[FiniteFloat, FiniteFloat], AfterValidator(_rising)]


class Decoding(Config):
    """How files are decoded: one rule for all files of a source, and for later predictions.

    Images of more than `max_pixels` are refused. `float_range` are the values of black and white for floating-point
    pixels; images with values outside it are refused.
    """

    max_pixels: PositiveInt = MAX_PIXELS
    float_range: FloatRange = (0.0, 1.0)


#: The default.
DECODING = Decoding()


class Fold(Config):
    """A cross-validation fold: part `number` of `of` equal parts of the images is the validation set.

    `stratified` gives every part the same fraction of each class; `group_by` names a column of a CSV source, whose rows
    with equal values stay together. `column` names one whose values are the parts, in their order.
    """

    number: PositiveInt
    of: Annotated[int, Field(ge=2)]
    stratified: bool = True
    group_by: str | None = None
    column: str | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Fold:
        if self.number > self.of:
            raise ValueError(f"number {self.number} must lie between 1 and of {self.of}")
        if self.column is not None and self.group_by is not None:
            raise ValueError("column and group_by exclude each other")
        return self


class Gaussian(Config):
    """Gaussian noise with standard deviation `deviation`, where black is 0 and white 1, clipped to that range."""

    kind: Literal["gaussian"] = "gaussian"
    deviation: Annotated[float, Field(gt=0, le=1)]


class Masking(Config):
    """Set a random fraction `rate` of the pixels to black (Vincent et al. 2010, section 3.3)."""

    kind: Literal["masking"] = "masking"
    rate: Annotated[float, Field(gt=0, le=1)]


class SaltAndPepper(Config):
    """Set a random fraction `rate` of the pixels to black or white with equal probability (same section)."""

    kind: Literal["salt_and_pepper"] = "salt_and_pepper"
    rate: Annotated[float, Field(gt=0, le=1)]


Corruption = Gaussian | Masking | SaltAndPepper

#: The fields that decide which images of a source a run holds out.
DIVIDING = ("validation", "validation_limit", "validation_seed", "fold", "skip_damaged")


class DataConfig(Config):
    """A source, and the images that the network gets from it.

    `size` (height, width) and `channels` default to those of the images. `stored` is the size in which training images
    are stored, if augmentation crops the network's input from them. `mean` and `std` (in 0..1, one number per channel)
    are measured on the training images if None. `validation` is the fraction split off the training set, at most
    `validation_limit` images, if the source has no validation split; with `validation_seed` (default: the run's seed)
    runs of different seeds are validated on the same images. `fold` instead divides train and validation together, as
    in cross-validation. Without `test` the test split is set aside, as in the trials of a search. Files are decoded
    `once`, into memory or a mapped file, or `always`, on demand (also if neither has room); `workers` threads then
    prefetch training batches, by default one per processor, and `mean` and `std` are measured on about 10,000 images.
    Up to a fraction `skip_damaged` of all files may be damaged: they are left out first; with None any damaged file is
    refused. `corruption` is applied to the input of a denoising autoencoder, whose targets are the original images:
    different in each epoch of training, fixed on validation and test. Images of more than `max_pixels` are refused.
    `float_range` are the values of black and white for floating-point pixels; by default 0 and 1 if no image of a
    sample has greater values, else 0 and 255. `ignore` is a class of masks, by its name or number, whose pixels count
    neither in losses nor in metrics; 255 is always ignored, unless masks have only 0 and 255.
    """

    source: str
    size: tuple[Side, Side] | None = None
    stored: tuple[Side, Side] | None = None
    channels: Channels | None = None
    fit: Fit = "crop"
    mean: tuple[float, ...] | None = None
    std: tuple[PositiveFloat, ...] | None = None
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    validation_limit: PositiveInt | None = None
    validation_seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    fold: Fold | None = None
    test: bool = True
    decode: Literal["once", "always"] = "once"
    workers: Annotated[int, Field(ge=0, le=256)] | None = None
    skip_damaged: Annotated[float, Field(ge=0, le=1)] | None = None
    corruption: Annotated[Corruption | None, Field(discriminator="kind")] = None
    max_pixels: PositiveInt = MAX_PIXELS
    float_range: FloatRange | None = None
    ignore: int | str | None = None


class AffineConfig(Config):
    """Ranges of random planar distortions (LeCun et al. 1998, section III.A), each drawn uniformly from +-range.

    `translate` is in fractions of the image, `rotate` in degrees, `scale` and `squeeze` are relative (squeeze
    compresses one axis and stretches the other), `shear` is horizontal, in units of the height.
    """

    translate: Annotated[float, Field(ge=0, le=1)] = 0.0
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    squeeze: Annotated[float, Field(ge=0, lt=1)] = 0.0
    shear: Annotated[float, Field(ge=0, le=2)] = 0.0


class ElasticConfig(Config):
    """Elastic distortion (Simard et al. 2003, section 2): displacement by noise in +-1, smoothed by a Gaussian.

    `alpha` scales the displacement and `sigma` is the standard deviation of the Gaussian, both in pixels; the standard
    deviation of the displacement is alpha / (6.1 sigma). The defaults are the paper's, for digits of 29x29.
    """

    alpha: Annotated[float, Field(gt=0, le=1000)] = 34.0
    sigma: Annotated[float, Field(gt=0, le=100)] = 4.0


class JitterConfig(Config):
    """Ranges of colour changes, each drawn uniformly from +-range, applied in this order.

    The first three are factors around 1; `hue` is in whole turns.
    """

    brightness: Annotated[float, Field(ge=0, le=1)] = 0.0
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.0
    saturation: Annotated[float, Field(ge=0, le=1)] = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0


class RandAugmentConfig(Config):
    """RandAugment (Cubuk et al. 2020): `operations` per image, with a `magnitude` from 0 to 10."""

    operations: Annotated[int, Field(ge=1, le=8)] = 2
    magnitude: Annotated[float, Field(ge=0, le=10)] = 9.0


class AugmentConfig(Config):
    """Augmentation of training images: shift by up to `shift` pixels, flip, crop, distort, colour, mix.

    `border` is what shift, affine and elastic take in from outside: the background (0; in masks what is ignored), or
    the reflection of the image, and of its mask, about the outermost pixels. `flip` alternating mirrors the images not
    mirrored in the previous epoch (Jordan 2024). `crop` is the smallest fraction of the area that a random crop keeps
    (Szegedy et al. 2014), `crop_largest` the greatest, and `crop_ratio` the greatest ratio of its sides; the crop is
    resized to the network's input. Without it, larger stored images (data.stored) are cropped to the network's input at
    a random position, as in AlexNet. `lighting` is the standard deviation of the added multiples of ImageNet's
    principal colours (Krizhevsky et al. 2012, 0.1). `cutout` is the side of a blanked square (DeVries and Taylor 2017),
    in pixels. `mixup` (Zhang et al. 2018) and `cutmix` (Yun et al. 2019) are the alpha of the Beta distribution of the
    first image's weight, drawn once per batch; with both, each batch uses one of them at random. `interpolation` is
    that of `affine` and `elastic`: bilinear smooths slightly, bicubic keeps edges as sharp as they are at prediction.
    docs/augmentation.md shows each.
    """

    shift: Annotated[int, Field(ge=0)] = 0
    border: Border = "background"
    flip: Literal[False, True, "alternating"] = False
    crop: Annotated[float, Field(gt=0, le=1)] | None = None
    crop_largest: Annotated[float, Field(gt=0, le=1)] = 1.0
    crop_ratio: Annotated[float, Field(ge=1, le=10)] = 4 / 3
    affine: AffineConfig | None = None
    elastic: ElasticConfig | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    randaugment: RandAugmentConfig | None = None
    jitter: JitterConfig | None = None
    lighting: Annotated[float, Field(ge=0, le=10)] = 0.0
    cutout: Annotated[int, Field(ge=0)] = 0
    mixup: PositiveFloat | None = None
    cutmix: PositiveFloat | None = None

    @field_validator("crop")
    @classmethod
    def _whole(cls, crop: float | None) -> float | None:
        return None if crop == 1 else crop

    @model_validator(mode="after")
    def _a_range(self) -> AugmentConfig:
        if self.crop is None and (self.crop_largest != 1 or self.crop_ratio != 4 / 3):
            raise ValueError("crop_largest and crop_ratio need crop, the smallest fraction of the area")
        if self.interpolation == "bicubic" and self.affine is None and self.elastic is None:
            raise ValueError("interpolation needs affine or elastic")
        if self.crop is not None and self.crop > self.crop_largest:
            raise ValueError(f"crop {self.crop} is more than crop_largest {self.crop_largest}")
        return self
