"""GoogLeNet: Szegedy et al., Going Deeper with Convolutions, 2014 (lecture 003, Inception (GoogLeNet))."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from convworks.layers.blank import blank
from convworks.layers.branches import Branches, Conv, Convolution, channels, normalised, path, rectified
from convworks.layers.draw import he_normal
from convworks.layers.network import Auxiliary, Network
from convworks.layers.normalisation.local_response_normalisation import LocalResponseNormalisation
from convworks.layers.pooling.pool import PoolTo
from convworks.layers.pooling.pool_at_least import PoolAtLeast
from convworks.models.catalogue import Facts, Printed, Shape
from convworks.models.published.peers import HALF, Peer


@dataclass(frozen=True)
class MaxPool:
    """A pooling line of Table 1; windows may extend beyond the end, so that 112 becomes 56."""

    kernel_size: int = 3
    stride: int = 2


@dataclass(frozen=True)
class Inception:
    """A line of Table 1: the channels of each convolution, in the order of the paper's columns."""

    conv1x1: int
    conv3x3_reduce: int
    conv3x3: int
    conv5x5_reduce: int
    conv5x5: int
    pool_proj: int


TABLE_1: Mapping[str, Inception | MaxPool] = {
    # .                  #1x1 3x3 reduce 3x3 5x5 reduce 5x5 pool proj
    "inception3a": Inception(64, 96, 128, 16, 32, 32),
    "inception3b": Inception(128, 128, 192, 32, 96, 64),
    "pool3": MaxPool(),
    "inception4a": Inception(192, 96, 208, 16, 48, 64),
    "inception4b": Inception(160, 112, 224, 24, 64, 64),
    "inception4c": Inception(128, 128, 256, 24, 64, 64),
    "inception4d": Inception(112, 144, 288, 32, 64, 64),
    "inception4e": Inception(256, 160, 320, 32, 128, 128),
    "pool4": MaxPool(),
    "inception5a": Inception(256, 160, 320, 32, 128, 128),
    "inception5b": Inception(384, 192, 384, 48, 128, 128),
}


@dataclass(frozen=True, kw_only=True)
class GoogLeNet:
    """A row: the first three convolutions (7x7/2, 1x1, 3x3), the modules, and the parts that variants replace."""

    convolutions: tuple[int, int, int] = (64, 64, 192)
    modules: Mapping[str, Inception | MaxPool]
    convolution: str
    response: str
    large_kernel: int
    dropout: float
    auxiliary: tuple[str, ...] = ("inception4a", "inception4d")
    auxiliary_weight: float = 0.3
    auxiliary_pool: str
    auxiliary_dropout: float = 0.7


CONVOLUTION: dict[str, Convolution] = {"rectified": rectified, "normalised": normalised}
RESPONSE: dict[str, Callable[[], dict[str, nn.Module]]] = {
    # The paper does not specify constants; these are those of the Caffe replication, which divides alpha = 1e-4 by n.
    "local": lambda: {"response": LocalResponseNormalisation(5, k=1.0, alpha=1e-4 / 5, beta=0.75)},
    "none": dict,
}
AUXILIARY_POOL: dict[str, Callable[[], nn.Module]] = {
    "5x5/3": lambda: nn.Sequential(PoolAtLeast(4, kernel_size=5, stride=3), PoolTo(4)),
    "to 4x4": lambda: PoolTo(4),
}

ROWS = {
    "googlenet": GoogLeNet(
        modules=TABLE_1,
        convolution="rectified",
        response="local",
        large_kernel=5,
        dropout=0.4,
        auxiliary_pool="5x5/3",
    ),
    "googlenet_torchvision": GoogLeNet(
        modules={**TABLE_1, "pool4": MaxPool(2)},
        convolution="normalised",
        response="none",
        large_kernel=3,
        dropout=0.2,
        auxiliary_pool="to 4x4",
    ),
}

_PRINTED = (
    Printed(
        tap="",
        parameters="5M",
        note="of lecture 001: a twelfth of AlexNet's 60 million, as the paper's introduction has it; the widths of its "
        "table make 7.0 million",
    ),
    Printed(
        tap="stem",
        output="112x112x64",
        parameters="2.7K",
        macs="34M",
        note="a 7x7 convolution from 3 to 64 channels has 9,408 weights and 118.0 M; the printed numbers are those of "
        "a separable one (7x7 on each channel to 8, then 1x1): 2,712 and 34.0 M",
    ),
    Printed(tap="pool1", output="56x56x64"),
    Printed(tap="conv2", output="56x56x192", parameters="112K", macs="360M"),
    Printed(tap="pool2", output="28x28x192"),
    Printed(tap="inception3a", output="28x28x256", parameters="159K", macs="128M", note="printed as 159, without K"),
    Printed(tap="inception3b", output="28x28x480", parameters="380K", macs="304M"),
    Printed(tap="pool3", output="14x14x480"),
    Printed(
        tap="inception4a", output="14x14x512", parameters="364K", macs="73M", note="366.8 K and 73.6 M from the widths"
    ),
    Printed(tap="inception4b", output="14x14x512", parameters="437K", macs="88M", note="438 K from the widths"),
    Printed(
        tap="inception4c",
        output="14x14x512",
        parameters="463K",
        macs="100M",
        note="497.5 K from the widths, which give the printed 100 M",
    ),
    Printed(tap="inception4d", output="14x14x528", parameters="580K", macs="119M", note="590.5 K from the widths"),
    Printed(tap="inception4e", output="14x14x832", parameters="840K", macs="170M", note="847 K from the widths"),
    Printed(tap="pool4", output="7x7x832"),
    Printed(
        tap="inception5a", output="7x7x832", parameters="1072K", macs="54M", note="1018 K and 51.1 M from the widths"
    ),
    Printed(tap="inception5b", output="7x7x1024", parameters="1388K", macs="71M", note="1409 K from the widths"),
    Printed(tap="head.pool", output="1x1x1024"),
    Printed(tap="head.dropout", output="1x1x1024"),
    Printed(tap="head.logits", output="1x1x1000", parameters="1000K", macs="1M"),
)

_SHAPE = Shape(classes=1000, channels=3, size=(224, 224))
_PAPER = "Szegedy et al., Going Deeper with Convolutions"

FACTS = {
    "googlenet": Facts(
        year=2014,
        paper=_PAPER,
        summary="22 layers, nine Inception modules with 1x1, 3x3, 5x5 and pooling branches",
        shape=_SHAPE,
        published_error="29 % top-1, 9.2 % top-5 on ImageNet, single crop (10.07 % top-5 in its own paper); "
        "many crops 7.89 %; seven networks 6.66 %",
        differs="what the paper leaves open: the constants of local response normalisation are those of its "
        "replication in Caffe, the first weights are drawn as He et al. 2015. Parameters are printed in thousands of "
        "1024, without biases",
        training="Asynchronous SGD with momentum 0.9, the learning rate 4 % lower every 8 epochs, averaged weights for "
        "evaluation. Crops of 8 to 100 % of the image's area with aspect ratios from 3/4 to 4/3, photometric "
        "distortions. The losses of both auxiliary classifiers count 0.3.",
        printed=_PRINTED,
    ),
    "googlenet_torchvision": Facts(
        year=2014,
        paper=_PAPER,
        summary="GoogLeNet as torchvision ships it",
        shape=_SHAPE,
        differs="from the paper: 3x3 instead of 5x5 convolutions, batch normalisation instead of biases and local "
        "response normalisation, pooling 2x2 before 5a, adaptive pooling to 4x4 in the auxiliary classifiers. First "
        "weights are drawn as He et al. 2015",
    ),
}

PEERS = {
    "torchvision": Peer(
        names={"googlenet": "googlenet_torchvision"},
        keys=(
            (r"stem\.(.+)", "conv1.{1}"),
            (r"stages\.conv2\.conv3x3_reduce\.(.+)", "conv2.{1}"),
            (r"stages\.conv2\.conv3x3\.(.+)", "conv3.{1}"),
            (r"stages\.(inception\w+)\.branch1x1\.conv1\.(.+)", "{1}.branch1.{2}"),
            (r"stages\.(inception\w+)\.branch3x3\.conv(\d)\.(.+)", "{1}.branch2.{2-1}.{3}"),
            (r"stages\.(inception\w+)\.branch5x5\.conv(\d)\.(.+)", "{1}.branch3.{2-1}.{3}"),
            (r"stages\.(inception\w+)\.branch_pool\.conv(\d)\.(.+)", "{1}.branch4.{2}.{3}"),
            (r"auxiliary\.(aux\d)\.conv\.(.+)", "{1}.conv.{2}"),
            (r"auxiliary\.(aux\d)\.hidden\.(\w+)", "{1}.fc1.{2}"),
            (r"auxiliary\.(aux\d)\.logits\.(\w+)", "{1}.fc2.{2}"),
            (r"head\.logits\.(\w+)", "fc.{1}"),
        ),
        # Its weights were trained elsewhere, and it undoes its own normalisation for them.
        mean=HALF,
        std=HALF,
    )
}


def build(row: GoogLeNet, shape: Shape) -> Network:
    """Build a row. The paper does not specify initial weights; they are those of He et al. 2015."""
    with blank():
        network = _assembled(row, shape)
    he_normal(network)
    return network


def inception(convolution: Convolution, in_channels: int, line: Inception, large_kernel: int) -> Branches:
    """Return the module of figure 2b; the pooling branch has stride 1."""
    return Branches(
        {
            "branch1x1": path(convolution, in_channels, Conv(line.conv1x1)),
            "branch3x3": path(convolution, in_channels, Conv(line.conv3x3_reduce), Conv(line.conv3x3, 3)),
            "branch5x5": path(convolution, in_channels, Conv(line.conv5x5_reduce), Conv(line.conv5x5, large_kernel)),
            "branch_pool": path(convolution, in_channels, Conv(line.pool_proj), pool=nn.MaxPool2d(3, 1, padding=1)),
        }
    )


def side_classifier(
    pool: nn.Module, convolution: Convolution, in_channels: int, side: int, classes: int, dropout: float
) -> nn.Sequential:
    """Return a classifier of section 5: pooling to a side, 1x1 convolution, a hidden layer, dropout, logits."""
    return nn.Sequential(
        OrderedDict(
            pool=pool,
            conv=convolution(in_channels, Conv(128)),
            flat=nn.Flatten(),
            hidden=nn.Linear(128 * side**2, 1024),
            relu=nn.ReLU(inplace=True),
            dropout=nn.Dropout(dropout),
            logits=nn.Linear(1024, classes),
        )
    )


def _assembled(row: GoogLeNet, shape: Shape) -> Network:
    """Assemble the network in the order of figure 3."""
    convolution, (first, reduce, in_channels) = CONVOLUTION[row.convolution], row.convolutions
    stages: dict[str, nn.Module] = {
        "pool1": nn.Sequential(OrderedDict(pool=_max_pool(MaxPool()), **RESPONSE[row.response]())),
        "conv2": nn.Sequential(
            OrderedDict(
                conv3x3_reduce=convolution(first, Conv(reduce)),
                conv3x3=convolution(reduce, Conv(in_channels, 3)),
                **RESPONSE[row.response](),
            )
        ),
        "pool2": _max_pool(MaxPool()),
    }
    widths: dict[str, int] = {}
    for name, line in row.modules.items():
        if isinstance(line, MaxPool):
            stages[name] = _max_pool(line)
        else:
            stages[name] = inception(convolution, in_channels, line, row.large_kernel)
        widths[name] = in_channels = channels(stages[name], in_channels)

    def side(width: int) -> nn.Module:
        pool = AUXILIARY_POOL[row.auxiliary_pool]()
        return side_classifier(pool, convolution, width, 4, shape.classes, row.auxiliary_dropout)

    return Network(
        stem=convolution(shape.channels, Conv(first, 7, stride=2)),
        stages=stages,
        head=nn.Sequential(
            OrderedDict(
                pool=PoolTo(1),
                features=nn.Flatten(),
                dropout=nn.Dropout(row.dropout),
                logits=nn.Linear(in_channels, shape.classes),
            )
        ),
        auxiliary={
            f"aux{number}": Auxiliary(stage, row.auxiliary_weight, side(widths[stage]))
            for number, stage in enumerate(row.auxiliary, start=1)
        },
    )


def _max_pool(line: MaxPool) -> nn.MaxPool2d:
    return nn.MaxPool2d(line.kernel_size, line.stride, ceil_mode=True)
