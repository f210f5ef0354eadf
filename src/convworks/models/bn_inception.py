"""BN-Inception: Ioffe and Szegedy, Batch Normalization, 2015, table of the appendix (lecture 003, BatchNorm)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass

from torch import nn

from convworks.layers.blank import blank
from convworks.layers.branches import Branches, Conv, channels, normalised
from convworks.layers.draw import he_normal
from convworks.layers.network import Network
from convworks.layers.pooling.pool import PoolTo
from convworks.models.catalogue import Facts, Printed, Shape
from convworks.models.published.inception_figures import grid_reduction, traditional


@dataclass(frozen=True)
class Inception:
    """A line of the table with stride 1: the channels of each convolution, the pooling and its projection."""

    conv1x1: int
    conv3x3_reduce: int
    conv3x3: int
    double3x3_reduce: int
    double3x3: int
    pool: str
    pool_proj: int


@dataclass(frozen=True)
class Halving:
    """A line of the table with stride 2: no 1x1 branch, and max pooling without projection."""

    conv3x3_reduce: int
    conv3x3: int
    double3x3_reduce: int
    double3x3: int


TABLE: Mapping[str, Inception | Halving] = {
    # .                  #1x1  reduce, 3x3  reduce, double 3x3  pool, proj
    "inception3a": Inception(64, 64, 64, 64, 96, "average", 32),
    "inception3b": Inception(64, 64, 96, 64, 96, "average", 64),
    "inception3c": Halving(128, 160, 64, 96),
    "inception4a": Inception(224, 64, 96, 96, 128, "average", 128),
    "inception4b": Inception(192, 96, 128, 96, 128, "average", 128),
    "inception4c": Inception(160, 128, 160, 128, 160, "average", 96),
    "inception4d": Inception(96, 128, 192, 160, 192, "average", 96),
    "inception4e": Halving(128, 192, 192, 256),
    "inception5a": Inception(352, 192, 320, 160, 224, "average", 128),
    "inception5b": Inception(352, 192, 320, 192, 224, "max", 128),
}


@dataclass(frozen=True, kw_only=True)
class BNInception:
    """A row: the first three convolutions (7x7/2, 1x1, 3x3), the depth multiplier of the first, the modules."""

    convolutions: tuple[int, int, int] = (64, 64, 192)
    depth_multiplier: int = 8
    modules: Mapping[str, Inception | Halving]


# The paper does not say whether averages count the padding; its authors' released code does not.
POOL: dict[str, Callable[[], nn.Module]] = {
    "average": lambda: nn.AvgPool2d(3, 1, padding=1, count_include_pad=False),
    "max": lambda: nn.MaxPool2d(3, 1, padding=1),
}

ROWS = {"bn_inception": BNInception(modules=TABLE)}

FACTS = {
    "bn_inception": Facts(
        year=2015,
        paper="Ioffe and Szegedy, Batch Normalization: Accelerating Deep Network Training",
        summary="GoogLeNet with batch normalisation and two 3x3 convolutions in place of each 5x5",
        shape=Shape(classes=1000, channels=3, size=(224, 224)),
        published_error="25.2 % top-1, 7.8 % top-5 on ImageNet, single crop; many crops 21.99 %, 5.81 %; ensemble "
        "4.82 % top-5",
        differs="what the paper leaves open is as in its authors' released code (TensorFlow-Slim inception_v2): "
        "pooling projections of 96 in 4c and 4d, which alone give the printed 576 and 1024 channels (a common "
        "port has 128 there: 608 and 1056); the separable first convolution without anything between its two parts; "
        "epsilon 0.001; averages that do not count padding. Layers of stride 2 are padded alike on both sides (3 for "
        "7x7, 1 for 3x3 and pooling), where that code pads one pixel less on the left and at the top. First weights, "
        "of which the paper says nothing, are drawn as He et al. 2015.",
        training="SGD with momentum, batches of 32 (BN-x5: learning rate 0.0075, BN-x30: 0.045), decayed six times "
        "faster than for GoogLeNet; no dropout, a fifth of its weight decay, weaker photometric distortions. To the "
        "72.2 % accuracy (single crop) that Inception reaches in 31.0 million steps, BN-Baseline takes 13.3 million, "
        "BN-x5 2.1 million, BN-x30 2.7 million; their best are 72.7, 73.0 and 74.8 %, with sigmoids (BN-x5) 69.8 %.",
        printed=(
            Printed(
                tap="",
                parameters="13.6M",
                macs="2.0G",
                note="the widths of the table give 11.2 M and 1.9 G; 2.0 G is from Table 3 of Szegedy et al. 2015",
            ),
            Printed(tap="stem", output="112x112x64", note="separable: the channels become 24 maps, then 64"),
            Printed(tap="pool1", output="56x56x64"),
            Printed(tap="conv2", output="56x56x192"),
            Printed(tap="pool2", output="28x28x192"),
            Printed(tap="inception3a", output="28x28x256"),
            Printed(tap="inception3b", output="28x28x320"),
            Printed(tap="inception3c", output="28x28x576", note="14x14: the row has stride 2"),
            Printed(tap="inception4a", output="14x14x576"),
            Printed(tap="inception4b", output="14x14x576"),
            Printed(tap="inception4c", output="14x14x576"),
            Printed(tap="inception4d", output="14x14x576"),
            Printed(tap="inception4e", output="14x14x1024", note="7x7: the row has stride 2"),
            Printed(tap="inception5a", output="7x7x1024"),
            Printed(tap="inception5b", output="7x7x1024"),
            Printed(tap="head.pool", output="1x1x1024"),
        ),
    )
}


def build(row: BNInception, shape: Shape) -> Network:
    """Build a row. The paper does not specify initial weights; they are those of He et al. 2015."""
    with blank():
        network = _assembled(row, shape)
    he_normal(network)
    return network


def _assembled(row: BNInception, shape: Shape) -> Network:
    first, reduce, in_channels = row.convolutions
    maps = shape.channels * row.depth_multiplier
    stages: dict[str, nn.Module] = {
        "pool1": _max_pool(),
        "conv2": nn.Sequential(
            OrderedDict(
                conv3x3_reduce=normalised(first, Conv(reduce)), conv3x3=normalised(reduce, Conv(in_channels, 3))
            )
        ),
        "pool2": _max_pool(),
    }
    for name, line in row.modules.items():
        stages[name] = _module(in_channels, line)
        in_channels = channels(stages[name], in_channels)
    return Network(
        stem=nn.Sequential(
            OrderedDict(
                depthwise=nn.Conv2d(shape.channels, maps, 7, 2, padding=3, groups=shape.channels, bias=False),
                pointwise=normalised(maps, Conv(first)),
            )
        ),
        stages=stages,
        head=nn.Sequential(
            OrderedDict(pool=PoolTo(1), features=nn.Flatten(), logits=nn.Linear(in_channels, shape.classes))
        ),
    )


def _module(in_channels: int, line: Inception | Halving) -> Branches:
    if isinstance(line, Halving):
        return grid_reduction(in_channels, *astuple(line), padding=1)
    conv1x1, reduce, conv3x3, double_reduce, double, pool, projection = astuple(line)
    widths = (conv1x1, reduce, conv3x3, double_reduce, double, projection)
    return traditional(in_channels, widths, kernel_size=3, pool=POOL[pool]())


def _max_pool() -> nn.MaxPool2d:
    """Return pooling with the windows of a padded 3x3 convolution of stride 2: branches agree at any size."""
    return nn.MaxPool2d(3, 2, padding=1)
