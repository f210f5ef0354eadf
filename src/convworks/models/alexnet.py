"""AlexNet and its relatives: Krizhevsky et al. 2012, Krizhevsky 2014, Zeiler and Fergus 2013 (lectures 001, 003)."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from convworks.layers.blank import blank
from convworks.layers.draw import he_normal
from convworks.layers.heads.classifier import Hidden, classifier, drops_inputs, drops_outputs
from convworks.layers.network import Network
from convworks.layers.normalisation.local_response_normalisation import LocalResponseNormalisation
from convworks.models.catalogue import Facts, Printed, Shape
from convworks.models.published.peers import Peer


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolutional layer: its kernels, and the layers after its ReLU, in order."""

    width: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AlexNet:
    """A row: five convolutional layers, the hidden layers, dropout at their outputs or inputs, the initial weights."""

    layers: tuple[Layer, ...]
    side: int = 6
    hidden: tuple[int, ...] = (4096, 4096)
    dropout: str = "outputs"
    rate: float = 0.5
    initial: str


AFTER: dict[str, Callable[[], nn.Module]] = {
    "response": LocalResponseNormalisation,
    "pool": lambda: nn.MaxPool2d(3, 2),
    "pool_ceil": lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
}
DROPOUT: dict[str, Hidden] = {"outputs": drops_outputs, "inputs": drops_inputs}


def krizhevsky(network: nn.Module) -> None:
    """Sample weights N(0, 0.01^2); biases 1 in layers 2, 4, 5 and hidden ones, so that ReLUs start active; else 0."""
    zeiler(network)
    for name, parameter in network.named_parameters():
        if re.fullmatch(r"(stages\.stage[245]\.conv\.conv|head\.hidden\d)\.bias", name):
            nn.init.ones_(parameter)


def zeiler(network: nn.Module) -> None:
    """Sample weights N(0, 0.01^2), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
            nn.init.zeros_(module.get_parameter("bias"))


INITIAL: dict[str, Callable[[nn.Module], None]] = {"krizhevsky": krizhevsky, "zeiler": zeiler, "he_normal": he_normal}

_ZFNET = AlexNet(
    layers=(
        Layer(width=96, kernel_size=7, stride=2, padding=1, after=("pool_ceil", "response")),
        Layer(width=256, kernel_size=5, stride=2, after=("pool_ceil", "response")),
        Layer(width=384, kernel_size=3, padding=1),
        Layer(width=384, kernel_size=3, padding=1),
        Layer(width=256, kernel_size=3, padding=1, after=("pool_ceil",)),
    ),
    initial="zeiler",
)

ROWS = {
    "alexnet": AlexNet(
        layers=(
            Layer(width=96, kernel_size=11, stride=4, after=("response", "pool")),
            Layer(width=256, kernel_size=5, padding=2, groups=2, after=("response", "pool")),
            Layer(width=384, kernel_size=3, padding=1),
            Layer(width=384, kernel_size=3, padding=1, groups=2),
            Layer(width=256, kernel_size=3, padding=1, groups=2, after=("pool",)),
        ),
        initial="krizhevsky",
    ),
    "alexnet_torchvision": AlexNet(
        layers=(
            Layer(width=64, kernel_size=11, stride=4, padding=2, after=("pool",)),
            Layer(width=192, kernel_size=5, padding=2, after=("pool",)),
            Layer(width=384, kernel_size=3, padding=1),
            Layer(width=256, kernel_size=3, padding=1),
            Layer(width=256, kernel_size=3, padding=1, after=("pool",)),
        ),
        dropout="inputs",
        initial="he_normal",
    ),
    "zfnet": _ZFNET,
    "zfnet_wide": replace(
        _ZFNET,
        layers=(
            *_ZFNET.layers[:2],
            *(replace(layer, width=width) for layer, width in zip(_ZFNET.layers[2:], (512, 1024, 512), strict=True)),
        ),
    ),
}

_LAST_STAGES = {"stage3": "13x13x384", "stage4": "13x13x384", "stage5.conv": "13x13x256"}
_HIDDEN = {"head.hidden6": "1x1x4096", "head.hidden7": "1x1x4096"}


def _sizes(outputs: dict[str, str]) -> tuple[Printed, ...]:
    return tuple(Printed(tap=tap, output=output) for tap, output in outputs.items())


_ZEILER = "Zeiler and Fergus, Visualizing and Understanding Convolutional Networks"
_ZEILER_TRAINING = (
    "SGD, batch 128, momentum 0.9, learning rate 0.01 lowered by hand when the validation error stopped improving, 70 "
    "epochs; dropout 0.5. Kernels of convolutions with a root mean square above 0.1 are scaled back to it. Corners and "
    "centre (224x224) of 256x256 images, mirrored."
)

FACTS = {
    "alexnet": Facts(
        year=2012,
        paper="Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks",
        summary="five convolutional layers in two groups, local response normalisation, overlapping pooling, dropout",
        shape=Shape(classes=1000, channels=3, size=(227, 227)),
        published_error="40.7 % top-1, 18.2 % top-5 on ImageNet; five networks 38.1 %, 16.4 %; with two larger ones "
        "that were pre-trained on all of ImageNet 36.7 %, 15.4 %",
        differs="one device: the groups of layers 2, 4 and 5 stand for the two GPUs, and normalisation runs over the "
        "channels of both. The paper's input is 224x224, its first layer has 55x55 positions: 227x227 without padding.",
        training="SGD, batch 128, momentum 0.9, weight decay 0.0005, learning rate 0.01 divided by 10 when the "
        "validation error stopped improving (three times in about 90 epochs). Random 224x224 patches of 256x256 "
        "images, mirrored; colours shifted along the principal components of RGB; ten patches for evaluation.",
        printed=(
            Printed(tap="", parameters="60 million", note="60,965,224, which rounds to 61 million"),
            Printed(tap="stem", output="55x55x96", note="290,400 neurons; the caption of figure 2 counts 253,440"),
            *_sizes({"stage2.conv": "27x27x256", **_LAST_STAGES, **_HIDDEN, "head.logits": "1x1x1000"}),
        ),
    ),
    "alexnet_torchvision": Facts(
        year=2014,
        paper="Krizhevsky, One weird trick for parallelizing convolutional neural networks",
        summary="AlexNet as torchvision ships it: one group, fewer maps, no normalisation",
        shape=Shape(classes=1000, channels=3, size=(224, 224)),
        differs="from AlexNet: 64-192-384-256-256 maps without groups and normalisation, 224x224 padded by 2, dropout "
        "before the hidden layers. From its paper, whose fourth layer has 384 maps. First weights as He et al. 2015.",
    ),
    "zfnet": Facts(
        year=2013,
        paper=_ZEILER,
        summary="AlexNet with a finer first layer (7x7, stride 2) and without groups",
        shape=Shape(classes=1000, channels=3, size=(224, 224)),
        published_error="38.4 % top-1, 16.5 % top-5 on ImageNet; five networks 36.7 %, 15.3 %; with zfnet_wide 36.0 %, "
        "14.7 % (14.8 % on the test images)",
        differs="where the paper is silent, the sizes of its figure 3 decide: layer 1 is padded by 1 (110), layer 2 "
        "not (26), pooling rounds up (55, 13). Its contrast normalisation across maps is the response normalisation of "
        "AlexNet, behind pooling as in the figure. The paper's limit on the length of kernels belongs to training.",
        training=_ZEILER_TRAINING,
        printed=_sizes({
            "stem": "110x110x96", "stage1": "55x55x96", "stage2.conv": "26x26x256", "stage2": "13x13x256",
            **_LAST_STAGES, "stage5": "6x6x256", **_HIDDEN,
        }),
    ),
    "zfnet_wide": Facts(
        year=2013,
        paper=_ZEILER,
        summary="ZFNet with 512, 1024 and 512 maps in layers 3 to 5 (table 2, model b)",
        shape=Shape(classes=1000, channels=3, size=(224, 224)),
        published_error="37.5 % top-1, 16.0 % top-5 on ImageNet (16.1 % on the test images)",
        differs="as zfnet; the paper gives the maps of layers 3 to 5 alone, so all sizes are those of its figure 3",
        training=_ZEILER_TRAINING,
    ),
}  # fmt: skip

PEERS = {
    "torchvision": Peer(
        names={"alexnet": "alexnet_torchvision"},
        keys=(
            (r"stem\.conv\.(\w+)", "features.0.{1}"),
            *(
                (rf"stages\.stage{number}\.conv\.conv\.(\w+)", f"features.{index}.{{1}}")
                for number, index in ((2, 3), (3, 6), (4, 8), (5, 10))
            ),
            (r"head\.hidden6\.(\w+)", "classifier.1.{1}"),
            (r"head\.hidden7\.(\w+)", "classifier.4.{1}"),
            (r"head\.logits\.(\w+)", "classifier.6.{1}"),
        ),
    )
}


def build(row: AlexNet, shape: Shape) -> Network:
    """Build a row: the stem is the first convolution, stages are the paper's layers; weights as in the paper."""
    with blank():
        network = _assembled(row, shape)
    INITIAL[row.initial](network)
    return network


def _assembled(row: AlexNet, shape: Shape) -> Network:
    stages: dict[str, nn.Module] = {}
    in_channels = shape.channels
    for number, layer in enumerate(row.layers, start=1):
        parts: dict[str, nn.Module] = {"conv": convolution(in_channels, layer)}
        parts |= {part.partition("_")[0]: AFTER[part]() for part in layer.after}
        if number == 1:
            stem = parts.pop("conv")
        stages[f"stage{number}"] = nn.Sequential(OrderedDict(parts))
        in_channels = layer.width
    head = classifier(in_channels, row.side, row.hidden, shape.classes, hidden=DROPOUT[row.dropout], rate=row.rate)
    return Network(stem=stem, stages=stages, head=head)


def convolution(in_channels: int, layer: Layer) -> nn.Sequential:
    """Return the convolution of a layer with its ReLU."""
    conv = nn.Conv2d(in_channels, layer.width, layer.kernel_size, layer.stride, layer.padding, groups=layer.groups)
    return nn.Sequential(OrderedDict(conv=conv, relu=nn.ReLU(inplace=True)))
