"""Which head a network gets in the place of the one it was cut off from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from convworks.config import Config

Rate = Annotated[float, Field(ge=0, lt=1)]


class Pooled(Config):
    """What every head has: maps become vectors by their `average` or `max` over all places, or as they are (`none`)."""

    pool: Literal["average", "max", "none"] = "average"


class LinearHead(Pooled):
    """One linear layer, of features of which training leaves out the share `dropout`."""

    kind: Literal["linear"] = "linear"
    dropout: Rate = 0.0


class TwoLayerHead(Pooled):
    """A hidden layer of `width` rectified units, `dropout` of them, and a linear layer."""

    kind: Literal["two-layer"] = "two-layer"
    width: PositiveInt = 256
    dropout: Rate = 0.0


class SVMHead(Pooled):
    """A linear support vector machine, one class against the rest (scikit-learn's LinearSVC), of standardised features.

    `cost` is what a training image on the wrong side costs (C); where None, validation chooses among powers of ten.
    """

    kind: Literal["svm"] = "svm"
    cost: PositiveFloat | None = None


class RBFHead(Pooled):
    """A support vector machine with the kernel exp(-gamma |x - v|^2), each class against each (scikit-learn's SVC).

    Of standardised features, like the linear one. `gamma` is 1 / number of features where None; `cost` as there.
    """

    kind: Literal["rbf-svm"] = "rbf-svm"
    cost: PositiveFloat | None = None
    gamma: PositiveFloat | None = None


Head = LinearHead | TwoLayerHead | SVMHead | RBFHead
#: Those that are fitted at once, and not trained by steps.
MACHINES = ("svm", "rbf-svm")
HEADS = ("linear", "two-layer", *MACHINES)
