"""Configurations of the losses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

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


class OwnLoss(Config):
    """A user-defined function of (logits, labels), passed as `convworks.train(loss=...)`; `name` is its name.

    For multi-label sources the labels are a matrix of 0 and 1; for reconstruction they are the uint8 images. Tasks with
    losses of their own use this kind too.
    """

    kind: Literal["own"] = "own"
    name: str = "own"


LossConfig = CrossEntropy | BinaryCrossEntropy | PenaltyLoss | SquaredError | PixelCrossEntropy | OwnLoss
