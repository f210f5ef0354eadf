"""Autoencoders: networks that reconstruct their input through a code (lecture 001, Autoencoders)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from convworks.errors import InputError
from convworks.layers.blank import blank
from convworks.layers.draw import glorot_uniform, he_normal
from convworks.layers.hourglass import Hourglass, Scale
from convworks.layers.network import Network
from convworks.layers.transposed import Transposed
from convworks.models.catalogue import Facts, Shape


@dataclass(frozen=True, kw_only=True)
class Dense:
    """A row of fully connected layers: the units of the encoder down to the code; the decoder mirrors them."""

    units: tuple[int, ...]
    activation: str = "sigmoid"
    code: str = "sigmoid"
    decoder: str = "tied"
    output: str = "sigmoid"


@dataclass(frozen=True, kw_only=True)
class Convolutional:
    """A row of scales: the channels of each, from 3x3 convolutions with ReLU; the coarsest is the code."""

    widths: tuple[int, ...]


def tied(layer: nn.Linear) -> nn.Module:
    """Return the decoder layer with the transposed weights W' = W^T."""
    return Transposed(layer)


def untied(layer: nn.Linear) -> nn.Module:
    """Return the decoder layer with its own weights."""
    return nn.Linear(layer.out_features, layer.in_features)


DECODER: dict[str, Callable[[nn.Linear], nn.Module]] = {"tied": tied, "untied": untied}
ACTIVATION: dict[str, Callable[[], nn.Module]] = {"sigmoid": nn.Sigmoid, "linear": nn.Identity}
#: Logistic units have a slope of 1/4 at 0, which weights four times as large compensate.
GAIN = {"sigmoid": 4.0, "linear": 1.0}

ROWS: dict[str, Dense | Convolutional] = {
    "autoencoder_fc": Dense(units=(128,)),
    "autoencoder_fc_untied": Dense(units=(128,), decoder="untied"),
    "autoencoder_fc_deep": Dense(units=(1000, 500, 250, 30), code="linear", decoder="untied"),
    "autoencoder_linear": Dense(units=(30,), activation="linear", code="linear", decoder="untied", output="linear"),
    "autoencoder_denoising": Dense(units=(1000,)),
    "autoencoder_conv": Convolutional(widths=(32, 16, 8)),
}

_DIGITS = Shape(classes=1, channels=1, size=(28, 28))
_RUMELHART = "Rumelhart, Hinton and Williams, Learning Internal Representations by Error Propagation"

FACTS = {
    "autoencoder_fc": Facts(
        year=1986,
        paper=_RUMELHART,
        summary="784-128-784, logistic units, tied weights; the code is the tap `encoder`",
        shape=_DIGITS,
        makes="images",
        differs="from the paper: the sizes, and the tied weights W' = W^T of lecture 001",
    ),
    "autoencoder_fc_untied": Facts(
        year=1986,
        paper=_RUMELHART,
        summary="784-128-784 with weights of its own in the decoder; the code is the tap `encoder`",
        shape=_DIGITS,
        makes="images",
        differs="from the paper: the sizes",
    ),
    "autoencoder_fc_deep": Facts(
        year=2006,
        paper="Hinton and Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks",
        summary="784-1000-500-250-30 and back, the code is linear; the tap `encoder`",
        shape=_DIGITS,
        makes="images",
        training="Each layer trained alone as a restricted Boltzmann machine, the decoder started with the transposed "
        "weights; then all of them together by conjugate gradients on the cross-entropy of the pixels.",
    ),
    "autoencoder_linear": Facts(
        year=1988,
        paper="Bourlard and Kamp, Auto-Association by Multilayer Perceptrons and Singular Value Decomposition",
        summary="784-30-784 without any nonlinearity: with squared error its code spans the principal components",
        shape=_DIGITS,
        makes="images",
    ),
    "autoencoder_denoising": Facts(
        year=2008,
        paper="Vincent et al., Extracting and Composing Robust Features with Denoising Autoencoders",
        summary="784-1000-784, tied weights: more units than pixels, useful because it is trained on damaged images",
        shape=_DIGITS,
        makes="images",
        differs="any network of this family denoises when it reads damaged images and is compared with whole ones",
        training="A quarter of the pixels set to zero (other shares for other sets), SGD on the cross-entropy between "
        "the output and the undamaged image; stacked layer by layer, then fine-tuned with a classifier on top.",
    ),
    "autoencoder_conv": Facts(
        year=2011,
        paper="Masci et al., Stacked Convolutional Auto-Encoders for Hierarchical Feature Extraction",
        summary="28x28 down to a code of 8 maps of 7x7, pooling down, up-convolutions up; the tap `hourglass.down2`",
        shape=_DIGITS,
        makes="images",
        differs="from the paper: the sizes, ReLU instead of scaled tanh, up-convolutions 2x2 with weights of their own "
        "instead of the flipped filters",
    ),
}


def build(row: Dense | Convolutional, shape: Shape) -> Network:
    """Build a row; the output has the shape of the input. Raises InputError if classes and channels differ.

    Initial weights: fully connected layers as Glorot and Bengio 2010, times 4 for logistic units (the papers
    pre-trained layer by layer), convolutions as He et al. 2015.
    """
    if shape.classes != shape.channels:
        reason = f"classes={shape.classes} must be channels={shape.channels}: an autoencoder gives back what it reads"
        raise InputError("classes", reason, "give as many classes as channels")
    if isinstance(row, Convolutional):
        with blank():
            network = _convolutional(row, shape)
        he_normal(network)
    else:
        with blank():
            network = _dense(row, shape)
        glorot_uniform(network, GAIN[row.activation])
        glorot_uniform(network.get_submodule(f"stages.encoder.layer{len(row.units)}"), GAIN[row.code])
    return network


def _dense(row: Dense, shape: Shape) -> Network:
    """Return the stages `encoder` and `decoder`; a layer and its counterpart have the same number."""
    inputs, depth = (shape.channels * math.prod(shape.size), *row.units), len(row.units)
    linear = [nn.Linear(i, o) for i, o in pairwise(inputs)]
    down: OrderedDict[str, nn.Module] = OrderedDict()
    up: OrderedDict[str, nn.Module] = OrderedDict()
    for number, layer in enumerate(linear, start=1):
        kind = row.code if number == depth else row.activation
        down[f"layer{number}"] = nn.Sequential(OrderedDict(linear=layer, activation=ACTIVATION[kind]()))
    for number, layer in reversed(list(enumerate(linear, start=1))):
        decoder_layers: OrderedDict[str, nn.Module] = OrderedDict(linear=DECODER[row.decoder](layer))
        if number > 1:
            decoder_layers["activation"] = ACTIVATION[row.activation]()
        up[f"layer{number}"] = nn.Sequential(decoder_layers)
    head = OrderedDict(
        logits=nn.Unflatten(1, (shape.channels, *shape.size)),
        image=ACTIVATION[row.output](),
    )
    stages = {"encoder": nn.Sequential(down), "decoder": nn.Sequential(up)}
    return Network(stem=nn.Flatten(), stages=stages, head=nn.Sequential(head))


def _convolutional(row: Convolutional, shape: Shape) -> Network:
    """Return an hourglass without skip connections; the stem is its first convolution."""
    scales = []
    for width, below in pairwise(row.widths):
        down = OrderedDict(pool=nn.MaxPool2d(2, ceil_mode=True), **_rectified(width, below))
        rise = OrderedDict(conv=nn.ConvTranspose2d(below, width, 2, stride=2), relu=nn.ReLU(inplace=True))
        scales.append(Scale(across=None, down=nn.Sequential(down), rise=nn.Sequential(rise), up=nn.Identity()))
    first = row.widths[0]
    return Network(
        stem=nn.Sequential(_rectified(shape.channels, first)),
        stages={"hourglass": Hourglass(scales)},
        head=nn.Sequential(OrderedDict(logits=nn.Conv2d(first, shape.classes, 3, padding=1), image=nn.Sigmoid())),
    )


def _rectified(in_channels: int, width: int) -> OrderedDict[str, nn.Module]:
    return OrderedDict(conv=nn.Conv2d(in_channels, width, 3, padding=1), relu=nn.ReLU(inplace=True))
