"""Configuration of the new head of a transferred network."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from convworks.config import Config

Rate = Annotated[float, Field(ge=0, lt=1)]


class Pooled(Config):
    """Options of every head that classifies images: maps become vectors by `average` or `max` pooling, or flattened.

    `none` flattens. `makes` is what the network then outputs, in the words of `Facts`.
    """

    makes: ClassVar[str] = "logits"
    pool: Literal["average", "max", "none"] = "average"


class LinearHead(Pooled):
    """One linear layer, with dropout of its features."""

    kind: Literal["linear"] = "linear"
    dropout: Rate = 0.0


class TwoLayerHead(Pooled):
    """A hidden layer of `width` ReLU units with dropout, then a linear layer."""

    kind: Literal["two-layer"] = "two-layer"
    width: PositiveInt = 256
    dropout: Rate = 0.0


class SVMHead(Pooled):
    """A linear support vector machine on standardised features, one-vs-rest (scikit-learn's LinearSVC).

    `cost` is the penalty C; if None, validation chooses among powers of ten.
    """

    kind: Literal["svm"] = "svm"
    cost: PositiveFloat | None = None


class RBFHead(Pooled):
    """A support vector machine with the kernel exp(-gamma |x - v|^2), one-vs-one (scikit-learn's SVC).

    On standardised features, with `cost` as in `SVMHead`. `gamma` is 1 / number of features if None.
    """

    kind: Literal["rbf-svm"] = "rbf-svm"
    cost: PositiveFloat | None = None
    gamma: PositiveFloat | None = None


class Dense(Config):
    """A head that scores every pixel."""

    makes: ClassVar[str] = "map of logits"


class PixelHead(Dense):
    """One linear layer at every position (a 1x1 convolution), interpolated to the size of the images."""

    kind: Literal["pixel"] = "pixel"


class UNetHead(Dense):
    """The expansive path of U-Net (models/encoder_unet.py): two 3x3 convolutions at each scale of the network.

    `widths` are their channels, from the size of the image to that of its 16th part; coarser scales have the last.
    """

    kind: Literal["unet"] = "unet"
    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (16, 32, 64, 128, 256)


class FCN(Dense):
    """A fully convolutional network (models/fcn.py), with skip connections from `skips` finer scales."""

    kind: str
    skips: ClassVar[int]


class FCN32sHead(FCN):
    """Scores of the coarsest map alone, interpolated to the size of the images."""

    kind: Literal["fcn32s"] = "fcn32s"
    skips: ClassVar[int] = 0


class FCN16sHead(FCN):
    """Scores of the coarsest map, fused with those of the next finer scale."""

    kind: Literal["fcn16s"] = "fcn16s"
    skips: ClassVar[int] = 1


class FCN8sHead(FCN):
    """Scores of the coarsest map, fused with those of the next two finer scales."""

    kind: Literal["fcn8s"] = "fcn8s"
    skips: ClassVar[int] = 2


PooledHead = LinearHead | TwoLayerHead | SVMHead | RBFHead
DenseHead = PixelHead | UNetHead | FCN32sHead | FCN16sHead | FCN8sHead
Head = PooledHead | DenseHead
#: Heads that are fitted at once rather than trained by steps.
MACHINES = ("svm", "rbf-svm")
#: Heads that score every pixel.
DENSE = ("pixel", "unet", "fcn8s", "fcn16s", "fcn32s")
HEADS = ("linear", "two-layer", *MACHINES, *DENSE)
