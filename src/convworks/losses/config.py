"""What training makes small."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from convworks.config import Config


class CrossEntropy(Config):
    """Cross-entropy of the softmax of the logits, with label smoothing (Szegedy et al. 2015, section 7).

    `class_weights` are one number a class, or `balanced`: inversely proportional to the number of its training
    images. They are scaled to a mean of 1 over the training images, so that the learning rate need not change.
    """

    kind: Literal["cross_entropy"] = "cross_entropy"
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: Literal["balanced"] | tuple[PositiveFloat, ...] | None = None


class BinaryCrossEntropy(Config):
    """Cross-entropy of the sigmoid of each logit, the sum over classes: each is asked for by itself.

    The sum, unlike the mean, has gradients of the size of cross-entropy's, so that learning rates need not change. It
    is the loss of images with any number of labels, and can be asked for where there is one. `smoothing` moves every
    answer by half of it towards 1/2. `positive_weights` count the images that show a class, one number a class, or
    `balanced`: as much as those that do not.
    """

    kind: Literal["binary_cross_entropy"] = "binary_cross_entropy"
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    positive_weights: Literal["balanced"] | tuple[PositiveFloat, ...] | None = None


class PenaltyLoss(Config):
    """The penalty of the right class (LeCun et al. 1998, equation 8), for networks whose logits are minus penalties.

    With `rivals` the wrong classes are pushed away too (equation 9, the discriminative criterion); `rubbish` is
    its constant j, the penalty of a class for everything that is no digit.
    """

    kind: Literal["penalty"] = "penalty"
    rivals: bool = True
    rubbish: PositiveFloat = 1.0


class SquaredError(Config):
    """The squared difference between the image that a network makes and the one it is to give back, mean over pixels.

    Values run from 0, black, to 1, white.
    """

    kind: Literal["squared_error"] = "squared_error"


class PixelCrossEntropy(Config):
    """The cross-entropy -x ln y - (1 - x) ln (1 - y) of each value x, read as a probability, and what is made of it, y.

    The mean over the values of an image, for networks whose output is a sigmoid (Vincent et al. 2010, section 2.2).
    """

    kind: Literal["pixel_cross_entropy"] = "pixel_cross_entropy"


class OwnLoss(Config):
    """A function of (logits, labels) of your own, given to `convworks.train(loss=...)`; `name` is how it is called.

    Where images have any number of labels, it gets them as a matrix of 0 and 1; a network that makes images, the
    images themselves, in bytes. A task may have a loss of its own too, which it calls so.
    """

    kind: Literal["own"] = "own"
    name: str = "own"


LossConfig = CrossEntropy | BinaryCrossEntropy | PenaltyLoss | SquaredError | PixelCrossEntropy | OwnLoss
