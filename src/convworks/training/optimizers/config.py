"""Configurations of the optimisers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from convworks.config import Config

Decay = Annotated[float, Field(ge=0, lt=1)]


class Decaying(Config):
    """Weight decay, common to all optimisers.

    `decays` selects what decays: the `weights` of convolutions and matrices, or `all` parameters, including biases and
    the scales and shifts of normalisation, as in papers before 2017.
    """

    weight_decay: NonNegativeFloat = 0.0
    decays: Literal["weights", "all"] = "weights"


class SGD(Decaying):
    """Stochastic gradient descent, with momentum (lecture 000) or Nesterov's."""

    kind: Literal["sgd"] = "sgd"
    momentum: Decay = 0.9
    nesterov: bool = True
    weight_decay: NonNegativeFloat = 5e-4

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SGD:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class RMSProp(Decaying):
    """The gradient divided by its running root mean square (Tieleman and Hinton 2012), then momentum.

    `epsilon` is added outside the root, as in PyTorch; TensorFlow, in which Inception v3 was trained with an epsilon of
    1, adds it inside the root.
    """

    kind: Literal["rmsprop"] = "rmsprop"
    smoothing: Decay = 0.99
    momentum: Decay = 0.0
    epsilon: PositiveFloat = 1e-8


class Adam(Decaying):
    """Adaptive moments (Kingma and Ba 2015); weight decay is added to the gradient."""

    kind: Literal["adam"] = "adam"
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    epsilon: PositiveFloat = 1e-8


class AdamW(Decaying):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    kind: Literal["adamw"] = "adamw"
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    epsilon: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.01


class Adadelta(Decaying):
    """Adadelta (Zeiler 2012): steps scaled by the ratio of the running root mean squares of steps and gradients."""

    kind: Literal["adadelta"] = "adadelta"
    smoothing: Decay = 0.9
    epsilon: PositiveFloat = 1e-6


class Muon(Decaying):
    """Orthogonalised momentum (Jordan et al. 2024) for convolution filters and the matrices of hidden layers.

    `iterations` of Newton and Schulz bring the singular values of a filter bank, reshaped to a matrix [out, rest],
    near 1; the step is scaled by sqrt(max(1, out / rest)). `normalise` rescales a filter bank to the norm sqrt(out)
    (1 per filter) before each step, so that the relative size of steps stays constant. All other parameters (biases,
    normalisation, and the last matrix, which makes the logits) use Nesterov SGD with the same momentum, at `others`
    times the learning rate, the last matrix at `last` times (None: as `others`).
    """

    kind: Literal["muon"] = "muon"
    momentum: Decay = 0.95
    nesterov: bool = True
    iterations: PositiveInt = 5
    normalise: bool = False
    others: PositiveFloat = 1.0
    last: PositiveFloat | None = None


Optimizer = SGD | RMSProp | Adam | AdamW | Adadelta | Muon
