"""Inception v2 and v3 (lecture 003): Szegedy et al., Rethinking the Inception Architecture, 2015."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from convworks.layers.blank import blank
from convworks.layers.branches import Conv, channels, normalised, path
from convworks.layers.draw import he_normal
from convworks.layers.network import Auxiliary, Network
from convworks.layers.pooling.pool import PoolTo
from convworks.layers.pooling.pool_at_least import PoolAtLeast
from convworks.models.catalogue import Facts, Printed, Shape
from convworks.models.googlenet import side_classifier
from convworks.models.published.inception_figures import FIGURES
from convworks.models.published.peers import HALF, Peer


@dataclass(frozen=True)
class Pool:
    """A line of Table 1: max pooling 3x3/2 without padding."""

    kernel_size: int = 3
    stride: int = 2


@dataclass(frozen=True)
class Module:
    """A module of Table 1: its figure, and the channels of its convolutions."""

    figure: str
    widths: tuple[int, ...]


Lines = Mapping[str, Conv | Pool | Module]

# Table 1 of the paper, without padding unless the line says so.
TABLE_1: Lines = {
    "conv_2a": Conv(32, 3, padding=0),
    "conv_2b": Conv(64, 3, padding=1),
    "pool_3a": Pool(),
    "conv_3b": Conv(80, 3, padding=0),
    "conv_4a": Conv(192, 3, stride=2, padding=0),
    "conv_5a": Conv(288, 3, padding=1),
    # .               1x1; 1x1, 3x3; 1x1, 3x3, 3x3; pool
    "mixed_5b": Module("figure 5", (64, 48, 64, 64, 96, 64)),
    "mixed_5c": Module("figure 5", (64, 48, 64, 64, 96, 64)),
    "mixed_5d": Module("figure 5", (64, 48, 64, 64, 96, 64)),
    "mixed_6a": Module("to 17x17", (384, 64, 96)),
    # .               1x1; inside the factorised branches; their ends; pool
    "mixed_6b": Module("figure 6", (192, 128, 192, 192)),
    "mixed_6c": Module("figure 6", (192, 160, 192, 192)),
    "mixed_6d": Module("figure 6", (192, 160, 192, 192)),
    "mixed_6e": Module("figure 6", (192, 160, 192, 192)),
    "mixed_6f": Module("figure 6", (192, 192, 192, 192)),
    "mixed_7a": Module("figure 10", (192, 320, 192, 192)),
    # .               1x1; 1x1, fork; 1x1, 3x3, fork; pool
    "mixed_7b": Module("figure 7", (320, 384, 384, 448, 384, 384, 192)),
    "mixed_7c": Module("figure 7", (320, 384, 384, 448, 384, 384, 192)),
}

# The network as released by the authors and adopted by other libraries.
RELEASED: Lines = {
    "conv_2a": Conv(32, 3, padding=0),
    "conv_2b": Conv(64, 3, padding=1),
    "pool_3a": Pool(),
    "conv_3b": Conv(80),
    "conv_4a": Conv(192, 3, padding=0),
    "pool_5a": Pool(),
    # .               1x1; 1x1, 5x5; 1x1, 3x3, 3x3; pool
    "mixed_5b": Module("5x5", (64, 48, 64, 64, 96, 32)),
    "mixed_5c": Module("5x5", (64, 48, 64, 64, 96, 64)),
    "mixed_5d": Module("5x5", (64, 48, 64, 64, 96, 64)),
    "mixed_6a": Module("to 17x17", (384, 64, 96)),
    "mixed_6b": Module("figure 6", (192, 128, 192, 192)),
    "mixed_6c": Module("figure 6", (192, 160, 192, 192)),
    "mixed_6d": Module("figure 6", (192, 160, 192, 192)),
    "mixed_6e": Module("figure 6", (192, 192, 192, 192)),
    "mixed_7a": Module("to 8x8", (192, 320, 192, 192)),
    "mixed_7b": Module("figure 7", (320, 384, 384, 448, 384, 384, 192)),
    "mixed_7c": Module("figure 7", (320, 384, 384, 448, 384, 384, 192)),
}


@dataclass(frozen=True, kw_only=True)
class InceptionNet:
    """A row: the first convolution (3x3/2), the lines after it, and the auxiliary classifier."""

    first: int = 32
    lines: Lines
    auxiliary: str
    auxiliary_stage: str
    auxiliary_weight: float = 0.4
    dropout: float = 0.2


def figure_8(in_channels: int, classes: int) -> nn.Module:
    """Return the classifier of figure 8, 5x5x128 maps and 1024 units, of which only the maps are batch-normalised."""
    pool = nn.Sequential(PoolAtLeast(5, kernel_size=5, stride=3), PoolTo(5))
    return side_classifier(pool, normalised, in_channels, 5, classes, 0.0)


def normalised_8(in_channels: int, classes: int) -> nn.Module:
    """Return the BN-auxiliary classifier as released: figure 8 with 768 units, also batch-normalised."""
    return nn.Sequential(
        OrderedDict(
            pool=PoolAtLeast(5, kernel_size=5, stride=3),
            conv0=normalised(in_channels, Conv(128)),
            conv1=normalised(128, Conv(768, 5, padding=0)),
            mean=PoolTo(1),
            flat=nn.Flatten(),
            logits=nn.Linear(768, classes),
        )
    )


AUXILIARY: dict[str, Callable[[int, int], nn.Module]] = {"figure 8": figure_8, "normalised": normalised_8}

ROWS = {
    "inception_v2": InceptionNet(lines=TABLE_1, auxiliary="figure 8", auxiliary_stage="mixed_6f"),
    "inception_v3": InceptionNet(lines=RELEASED, auxiliary="normalised", auxiliary_stage="mixed_6e"),
}

_PAPER = "Szegedy et al., Rethinking the Inception Architecture for Computer Vision"
_SHAPE = Shape(classes=1000, channels=3, size=(299, 299))
_TRAINING = (
    "RMSProp (decay 0.9, epsilon 1.0) on 50 replicas with batches of 32 for 100 epochs, learning rate 0.045, times "
    "0.94 every two epochs, gradients clipped at 2.0, averaged weights for evaluation; labels smoothed by 0.1."
)

_OPEN = "first weights, of which the paper says nothing, are drawn as He et al. 2015"

FACTS = {
    "inception_v2": Facts(
        year=2015,
        paper=_PAPER,
        summary="the factorised network of Table 1, for images of 299x299",
        shape=_SHAPE,
        published_error="21.6 % top-1, 5.8 % top-5 on ImageNet, single crop; 23.4 % with the 7x7 whole and without "
        "RMSProp and label smoothing",
        differs="widths inside the modules are those of the released Inception v3, because the paper leaves them to a "
        "file that is not published; the text places the figures one lower than Table 1, which is followed here; "
        "between its lines stand two grid reductions (section 5, figure 10); the last 3x3 convolution before the "
        "modules is padded, though the table does not say so, because its output is 35x35; " + _OPEN,
        training=_TRAINING,
        printed=(
            Printed(
                tap="",
                macs="4.8G",
                note="6.3 G here: the widths of the released v3 are more than those of the paper's v2; Table 3 prints "
                "4.8 with the first 7x7 factorised, as Table 1 has it, and 3.8 without",
            ),
            Printed(tap="stem", output="149x149x32"),
            Printed(tap="conv_2a", output="147x147x32"),
            Printed(tap="conv_2b", output="147x147x64"),
            Printed(tap="pool_3a", output="73x73x64"),
            Printed(tap="conv_3b", output="71x71x80"),
            Printed(tap="conv_4a", output="35x35x192"),
            Printed(tap="conv_5a", output="35x35x288"),
            Printed(tap="mixed_6a", output="17x17x768"),
            Printed(tap="mixed_7a", output="8x8x1280"),
            Printed(tap="mixed_7c", output="8x8x2048"),
            Printed(tap="head.pool", output="1x1x2048"),
            Printed(tap="head.logits", output="1x1x1000"),
        ),
    ),
    "inception_v3": Facts(
        year=2015,
        paper=_PAPER,
        summary="Inception v2 with a batch-normalised auxiliary classifier, as its authors released it",
        shape=_SHAPE,
        published_error="21.2 % top-1, 5.6 % top-5 on ImageNet, single crop; ensemble 3.6 % top-5",
        differs="from Table 1: a 1x1 convolution to 80 channels, then 3x3 and pooling instead of three 3x3; 5x5 "
        "convolutions in the first three modules; four modules of figure 6. Averages count padding, as in "
        "torchvision and timm; dropout is 0.2 and the auxiliary loss counts 0.4, as released (torchvision's dropout "
        "is 0.5, timm's 0); " + _OPEN,
        training=_TRAINING,
        printed=(
            Printed(tap="", parameters="<25M", macs="5G", note="5.7 G in the released network"),
            Printed(tap="stem", output="149x149x32"),
            Printed(tap="conv_2a", output="147x147x32"),
            Printed(tap="conv_2b", output="147x147x64"),
            Printed(tap="pool_3a", output="73x73x64"),
            Printed(tap="conv_3b", output="71x71x80", note="73x73x80: 1x1 in the released network"),
            Printed(tap="conv_4a", output="35x35x192", note="71x71x192: pooling follows in the released network"),
            Printed(tap="mixed_5d", output="35x35x288"),
            Printed(tap="mixed_6a", output="17x17x768"),
            Printed(tap="mixed_7a", output="8x8x1280"),
            Printed(tap="mixed_7c", output="8x8x2048"),
            Printed(tap="head.pool", output="1x1x2048"),
            Printed(tap="head.logits", output="1x1x1000"),
        ),
    ),
}

_KEYS = (
    (r"stem\.(.+)", "Conv2d_1a_3x3.{1}"),
    (r"stages\.conv_3b\.conv1\.(.+)", "Conv2d_3b_1x1.{1}"),
    (r"stages\.conv_(2a|2b|4a)\.conv1\.(.+)", "Conv2d_{1}_3x3.{2}"),
    (r"stages\.mixed_(\w+)\.(branch1x1|branch_pool)\.conv1\.(.+)", "Mixed_{1}.{2}.{3}"),
    (r"stages\.mixed_6a\.branch3x3\.conv1\.(.+)", "Mixed_6a.branch3x3.{1}"),
    (r"stages\.mixed_(\w+)\.(\w+)\.conv(\d)\.row\.(.+)", "Mixed_{1}.{2}_{3}a.{4}"),
    (r"stages\.mixed_(\w+)\.(\w+)\.conv(\d)\.column\.(.+)", "Mixed_{1}.{2}_{3}b.{4}"),
    (r"stages\.mixed_(\w+)\.(\w+)\.conv(\d)\.(.+)", "Mixed_{1}.{2}_{3}.{4}"),
    (r"auxiliary\.aux\.(conv\d)\.(.+)", "AuxLogits.{1}.{2}"),
    (r"auxiliary\.aux\.logits\.(\w+)", "AuxLogits.fc.{1}"),
    (r"head\.logits\.(\w+)", "fc.{1}"),
)
# Both ship weights that were trained elsewhere; torchvision undoes its own normalisation for them.
_LIBRARY = Peer(names={"inception_v3": "inception_v3"}, keys=_KEYS, mean=HALF, std=HALF)
PEERS = {"torchvision": _LIBRARY, "timm": _LIBRARY}


def build(row: InceptionNet, shape: Shape) -> Network:
    """Build a row. The paper does not specify initial weights; they are those of He et al. 2015."""
    with blank():
        network = _assembled(row, shape)
    he_normal(network)
    return network


def _assembled(row: InceptionNet, shape: Shape) -> Network:
    stages: dict[str, nn.Module] = {}
    widths, in_channels = {}, row.first
    for name, line in row.lines.items():
        stages[name] = _stage(in_channels, line)
        widths[name] = in_channels = channels(stages[name], in_channels)
    classifier = AUXILIARY[row.auxiliary](widths[row.auxiliary_stage], shape.classes)
    return Network(
        stem=normalised(shape.channels, Conv(row.first, 3, stride=2, padding=0)),
        stages=stages,
        head=nn.Sequential(
            OrderedDict(
                pool=PoolTo(1),
                features=nn.Flatten(),
                dropout=nn.Dropout(row.dropout),
                logits=nn.Linear(in_channels, shape.classes),
            )
        ),
        auxiliary={"aux": Auxiliary(row.auxiliary_stage, row.auxiliary_weight, classifier)},
    )


def _stage(in_channels: int, line: Conv | Pool | Module) -> nn.Module:
    if isinstance(line, Module):
        return FIGURES[line.figure](in_channels, *line.widths)
    if isinstance(line, Pool):
        return nn.MaxPool2d(line.kernel_size, line.stride)
    return path(normalised, in_channels, line)
