"""Where images come from, and how they are varied in training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, FiniteFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from convworks.config import Config

Fit = Literal["crop", "squash", "letterbox", "pad"]
Side = Annotated[int, Field(ge=1, le=2**16)]  # pixels: no format of images has more
Channels = Annotated[int, Field(ge=1, le=2**12)]
#: A small file may claim any number of pixels; so many are a quarter of a gigabyte in colour.
MAX_PIXELS = 89_478_485


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if not ends[0] < ends[1]:
        raise ValueError("the value of black must be below that of white")
    return ends


FloatRange = Annotated[tuple[FiniteFloat, FiniteFloat], AfterValidator(_rising)]


class Decoding(Config):
    """How files are decoded: one rule for all files of a source, and for those that are predicted later.

    Images of more than `max_pixels` are refused. Where pixels are floating-point numbers, `float_range` are those of
    black and white; images with others are refused.
    """

    max_pixels: PositiveInt = MAX_PIXELS
    float_range: FloatRange = (0.0, 1.0)


#: What holds where nobody says otherwise.
DECODING = Decoding()


class Fold(Config):
    """Which of `of` equal parts of all labelled images is the validation set of a run in a cross-validation.

    `stratified` gives every part the same share of each class; `group_by` names a column of a CSV source, whose rows
    of one value stay together.
    """

    number: PositiveInt
    of: Annotated[int, Field(ge=2)]
    stratified: bool = True
    group_by: str | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Fold:
        if self.number > self.of:
            raise ValueError(f"number {self.number} must lie between 1 and of {self.of}")
        return self


class Gaussian(Config):
    """Normal noise added to every value, of this standard deviation, where black is 0 and white 1; cut off at both."""

    kind: Literal["gaussian"] = "gaussian"
    deviation: Annotated[float, Field(gt=0, le=1)]


class Masking(Config):
    """A share of the pixels, chosen at random, becomes black (Vincent et al. 2010, section 3.3)."""

    kind: Literal["masking"] = "masking"
    rate: Annotated[float, Field(gt=0, le=1)]


class SaltAndPepper(Config):
    """A share of the pixels, chosen at random, becomes black or white, by a fair coin (the same section)."""

    kind: Literal["salt_and_pepper"] = "salt_and_pepper"
    rate: Annotated[float, Field(gt=0, le=1)]


Corruption = Gaussian | Masking | SaltAndPepper


class DataConfig(Config):
    """A source, and the images that the network gets from it.

    `size` (height, width) and `channels` are those of the images themselves where None. `stored` is the size in which
    training images are kept, where augmentation cuts the network's input out of them. `mean` and `std` (in 0..1, one
    number a channel) are measured on the training images where None. `validation` is the fraction split off the
    training set, at most `validation_limit` images, where the source has no validation set of its own; with
    `validation_seed` (the run's seed where None) runs of different seeds are validated on the same images. `fold`
    divides train and validation together as a cross-validation does, instead. Files are decoded `once`, into memory or
    a mapped file, or `always` when they are wanted (as they are where neither has room); `workers` threads then read
    batches of training ahead, by default one a processor, and `mean` and `std` are measured on some 10,000 images. Up
    to a share of `skip_damaged` of all files may be damaged: they are left out before anything else is done; with None
    any is refused. `corruption` is what a denoising autoencoder reads in the place of the images that it is to give
    back: another in each epoch of training, always the same on validation and test. Images of more than `max_pixels`
    are refused. `float_range` are black and white where pixels are floating-point numbers; where None, 0 and 1 if no
    image of a sample has greater ones, else 0 and 255.
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
    decode: Literal["once", "always"] = "once"
    workers: Annotated[int, Field(ge=0, le=256)] | None = None
    skip_damaged: Annotated[float, Field(ge=0, le=1)] | None = None
    corruption: Annotated[Corruption | None, Field(discriminator="kind")] = None
    max_pixels: PositiveInt = MAX_PIXELS
    float_range: FloatRange | None = None


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


class ElasticConfig(Config):
    """Elastic distortion (Simard et al. 2003, section 2): every pixel is moved by noise in +-1, smoothed by a Gaussian.

    `alpha` multiplies it and `sigma` is the Gaussian's standard deviation, both in pixels; the defaults are the
    paper's, for digits of 29x29.
    """

    alpha: Annotated[float, Field(gt=0, le=1000)] = 34.0
    sigma: Annotated[float, Field(gt=0, le=100)] = 4.0


class JitterConfig(Config):
    """Ranges of changes of colour, each drawn uniformly from +-range, applied in this order.

    The first three are factors around 1; `hue` is in whole turns.
    """

    brightness: Annotated[float, Field(ge=0, le=1)] = 0.0
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.0
    saturation: Annotated[float, Field(ge=0, le=1)] = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0


class RandAugmentConfig(Config):
    """RandAugment (Cubuk et al. 2020): so many `operations` to each image, of a `magnitude` from 0 to 10."""

    operations: Annotated[int, Field(ge=1, le=8)] = 2
    magnitude: Annotated[float, Field(ge=0, le=10)] = 9.0


class AugmentConfig(Config):
    """What is done to training images: shift by up to so many pixels, mirror, cut a part, distort, colour, mix.

    `border` says what a shift brings in. `flip` alternating mirrors what was not mirrored in the epoch before (Jordan
    2024). `crop` is the smallest share of the area that a random crop keeps (Szegedy et al. 2014), `crop_largest` the
    greatest, and `crop_ratio` the greatest ratio of its sides; the crop is resized to what the network reads. Without,
    and where images are kept larger (data.stored), a part of the network's size is cut out at random, as in AlexNet.
    `lighting` is the standard deviation of the multiples of ImageNet's principal colours that are added (Krizhevsky et
    al. 2012, 0.1). `cutout` is the side of a square that is blanked (DeVries and Taylor 2017), in pixels. `mixup`
    (Zhang et al. 2018) and `cutmix` (Yun et al. 2019) are the alpha of the Beta distribution that the share of the
    first image is drawn from, once a batch; with both, each batch takes one of them, by chance. `interpolation` is what
    `affine` and `elastic` read between pixels with: bilinear smooths a little, bicubic keeps edges as sharp as they are
    in the images that are predicted later. docs/augmentation.md shows each.
    """

    shift: Annotated[int, Field(ge=0)] = 0
    border: Literal["background", "reflect"] = "background"
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
            raise ValueError("crop_largest and crop_ratio need crop, the smallest share of the area")
        if self.interpolation == "bicubic" and self.affine is None and self.elastic is None:
            raise ValueError("interpolation is that of affine and elastic, and neither is set")
        if self.crop is not None and self.crop > self.crop_largest:
            raise ValueError(f"crop {self.crop} is more than crop_largest {self.crop_largest}")
        return self
