"""Configurations of the losses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator

from convworks.config import Config


class CrossEntropy(Config):
    """Cross-entropy of the softmax of the logits, with label smoothing (Szegedy et al. 2015, section 7).

    `class_weights` is one number per class, or `balanced`: inversely proportional to its number of training images.
    They are scaled to a mean of 1 over the training images, so that the learning rate need not change.
    """

    kind: Literal["cross_entropy"] = "cross_entropy"
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: Literal["balanced"] | tuple[PositiveFloat, ...] | None = None


class BinaryCrossEntropy(Config):
    """Binary cross-entropy of the sigmoid of each logit, summed over classes.

    The sum, unlike the mean, has gradients of the size of cross-entropy's, so that learning rates need not change. It
    is the default for multi-label sources, and may be used with single labels. `smoothing` replaces targets y by
    y + smoothing (1/2 - y). `positive_weights` are the weights of positive images, one number per class, or `balanced`:
    positive images count as much as negative ones in total.
    """

    kind: Literal["binary_cross_entropy"] = "binary_cross_entropy"
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    positive_weights: Literal["balanced"] | tuple[PositiveFloat, ...] | None = None


class PenaltyLoss(Config):
    """The penalty of the true class (LeCun et al. 1998, equation 8), for networks whose logits are negative penalties.

    With `rivals` the wrong classes are pushed away too (equation 9, the discriminative criterion); `rubbish` is its
    constant j, the penalty of a class for everything that is not a digit.
    """

    kind: Literal["penalty"] = "penalty"
    rivals: bool = True
    rubbish: PositiveFloat = 1.0


class SquaredError(Config):
    """The mean squared error between the reconstruction and the image, over all values, which lie in 0..1."""

    kind: Literal["squared_error"] = "squared_error"


class PixelCrossEntropy(Config):
    """The cross-entropy -x ln y - (1 - x) ln (1 - y) between values x, taken as probabilities, and reconstructions y.

    The mean over the values of an image, for networks with a sigmoid as output (Vincent et al. 2010, section 2.2).
    """

    kind: Literal["pixel_cross_entropy"] = "pixel_cross_entropy"


class BorderCrossEntropy(Config):
    """Cross-entropy with the weights of U-Net, for masks (Ronneberger et al. 2015, equation 2).

    The weight of a pixel is that of its class (`class_weights` as for cross-entropy, of training pixels) plus, on the
    `background`, border * exp(-(d1 + d2)^2 / (2 sigma^2)); d1 and d2 are the distances to the two nearest objects.
    """

    kind: Literal["border_cross_entropy"] = "border_cross_entropy"
    class_weights: Literal["balanced"] | tuple[PositiveFloat, ...] | None = "balanced"
    border: PositiveFloat = 10.0
    sigma: PositiveFloat = 5.0
    background: NonNegativeInt = 0


class Dice(Config):
    """1 - the mean Dice coefficient of the classes that an image shows (after Milletari et al. 2016)."""

    kind: Literal["dice"] = "dice"


class Focal(Config):
    """Cross-entropy in which a pixel counts (1 - p)^gamma, p the probability of its class (Lin et al. 2017).

    `class_weights` are the alpha of the paper, as for cross-entropy.
    """

    kind: Literal["focal"] = "focal"
    gamma: NonNegativeFloat = 2.0
    class_weights: Literal["balanced"] | tuple[PositiveFloat, ...] | None = None


Part = Annotated[CrossEntropy | BorderCrossEntropy | Dice | Focal, Field(discriminator="kind")]


class SumLoss(Config):
    """A sum of losses, by default cross-entropy and Dice, each with its weight (None: all 1)."""

    kind: Literal["sum"] = "sum"
    parts: Annotated[tuple[Part, ...], Field(min_length=1)] = (CrossEntropy(), Dice())
    weights: tuple[PositiveFloat, ...] | None = None

    @model_validator(mode="after")
    def _one_weight_each(self) -> SumLoss:
        if self.weights is not None and len(self.weights) != len(self.parts):
            raise ValueError(f"weights has {len(self.weights)} numbers for {len(self.parts)} parts: give one for each")
        return self


class OwnLoss(Config):
    """A user-defined function of (logits, labels), passed as `convworks.train(loss=...)`; `name` is its name.

    For multi-label sources the labels are a matrix of 0 and 1; for reconstruction they are the uint8 images. Tasks with
    losses of their own use this kind too.
    """

    kind: Literal["own"] = "own"
    name: str = "own"


LossConfig = (
    CrossEntropy
    | BinaryCrossEntropy
    | PenaltyLoss
    | SquaredError
    | PixelCrossEntropy
    | BorderCrossEntropy
    | Dice
    | Focal
    | SumLoss
    | OwnLoss
)
