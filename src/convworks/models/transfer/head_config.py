"""Configuration of the new head of a transferred network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from convworks.config import Config

Rate = Annotated[float, Field(ge=0, lt=1)]


class Pooled(Config):
    """Options of every head: maps become vectors by `average` or `max` pooling, or flattened (`none`)."""

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


Head = LinearHead | TwoLayerHead | SVMHead | RBFHead
#: Heads that are fitted at once rather than trained by steps.
MACHINES = ("svm", "rbf-svm")
HEADS = ("linear", "two-layer", *MACHINES)
