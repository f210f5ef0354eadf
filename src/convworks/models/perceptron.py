"""Multilayer perceptrons: classifiers whose hidden layers can start from the encoder of an autoencoder."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from convworks.layers.blank import blank
from convworks.layers.draw import glorot_uniform
from convworks.layers.network import Network
from convworks.models.autoencoder import ACTIVATION, GAIN
from convworks.models.catalogue import Facts, Shape


@dataclass(frozen=True, kw_only=True)
class Perceptron:
    """A row: the units of each hidden layer, and their activation."""

    units: tuple[int, ...]
    activation: str = "sigmoid"


ROWS: dict[str, Perceptron] = {
    "perceptron": Perceptron(units=(500, 500, 2000)),
    "perceptron_wide": Perceptron(units=(1000, 1000, 1000)),
}

_DIGITS = Shape(classes=10, channels=1, size=(28, 28))

FACTS = {
    "perceptron": Facts(
        year=2006,
        paper="Hinton and Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks",
        summary="784-500-500-2000-10, logistic units; the hidden layers are the stage `encoder`",
        shape=_DIGITS,
        published_error="1.2 % on MNIST, after pre-training",
        training="Hidden layers pre-trained one by one as restricted Boltzmann machines on all images, then all layers "
        "on the labels, by conjugate gradients.",
    ),
    "perceptron_wide": Facts(
        year=2010,
        paper="Vincent et al., Stacked Denoising Autoencoders",
        summary="784-1000-1000-1000-10, logistic units; the hidden layers are the stage `encoder`",
        shape=_DIGITS,
        published_error="1.28 % on MNIST, after pre-training with masking noise (SdAE-3)",
        training="Hidden layers pre-trained one by one as denoising autoencoders, then all layers on the labels, by "
        "stochastic gradient descent with early stopping.",
    ),
}


def build(row: Perceptron, shape: Shape) -> Network:
    """Build a row; initial weights as Glorot and Bengio 2010, times 4 before logistic units."""
    inputs = (shape.channels * math.prod(shape.size), *row.units)
    with blank():
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            (
                f"layer{number}",
                nn.Sequential(OrderedDict(linear=nn.Linear(i, o), activation=ACTIVATION[row.activation]())),
            )
            for number, (i, o) in enumerate(pairwise(inputs), start=1)
        )
        head: OrderedDict[str, nn.Module] = OrderedDict(logits=nn.Linear(inputs[-1], shape.classes))
        network = Network(stem=nn.Flatten(), stages={"encoder": nn.Sequential(layers)}, head=nn.Sequential(head))
    glorot_uniform(network, GAIN[row.activation])
    glorot_uniform(network.head)
    return network
