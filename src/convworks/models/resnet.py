"""The ImageNet ResNets and their plain twins: He et al., Deep Residual Learning, 2015, table 1 (lecture 003)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import nn

from convworks.layers.blank import blank
from convworks.layers.draw import he_normal
from convworks.layers.network import Network
from convworks.layers.residual import BLOCKS, SHORTCUTS, blocks, convolution
from convworks.layers.stochastic_depth import stochastic_depth
from convworks.models.catalogue import Facts, Printed, Shape
from convworks.models.published.peers import Peer


@dataclass(frozen=True, kw_only=True)
class ResNet:
    """A column of table 1: the kind of block, the numbers in conv2_x to conv5_x, and the shortcuts (options A, B, C).

    `stochastic_depth` is the probability that the last block is dropped in a training step (Huang et al. 2016).
    """

    block: str
    repeats: tuple[int, ...]
    shortcut: str = "B"
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stochastic_depth: Annotated[float, Field(ge=0, lt=1)] = 0.0


ROWS = {
    "resnet18": ResNet(block="basic", repeats=(2, 2, 2, 2)),
    "resnet34": ResNet(block="basic", repeats=(3, 4, 6, 3)),
    "resnet50": ResNet(block="bottleneck", repeats=(3, 4, 6, 3)),
    "resnet101": ResNet(block="bottleneck", repeats=(3, 4, 23, 3)),
    "resnet152": ResNet(block="bottleneck", repeats=(3, 8, 36, 3)),
    "resnet50_v1_5": ResNet(block="bottleneck_v1_5", repeats=(3, 4, 6, 3)),
    "resnet101_v1_5": ResNet(block="bottleneck_v1_5", repeats=(3, 4, 23, 3)),
    "resnet152_v1_5": ResNet(block="bottleneck_v1_5", repeats=(3, 8, 36, 3)),
    "resnet18_a": ResNet(block="basic", repeats=(2, 2, 2, 2), shortcut="A"),
    "resnet34_a": ResNet(block="basic", repeats=(3, 4, 6, 3), shortcut="A"),
    "resnet34_c": ResNet(block="basic", repeats=(3, 4, 6, 3), shortcut="C"),
    "plain18": ResNet(block="basic", repeats=(2, 2, 2, 2), shortcut="none"),
    "plain34": ResNet(block="basic", repeats=(3, 4, 6, 3), shortcut="none"),
}

# Tables 2 to 4: top-1 and top-5 error on the validation images of ImageNet.
_ERRORS = {
    "resnet34": "21.84 / 5.71 %",
    "resnet50": "20.74 / 5.25 %",
    "resnet101": "19.87 / 4.60 %",
    "resnet152": "19.38 / 4.49 %",
    "resnet18_a": "27.88 % top-1, ten crops",
    "resnet34_a": "25.03 / 7.76 %, ten crops",
    "resnet34_c": "21.53 / 5.60 %",
    "plain18": "27.94 % top-1, ten crops",
    "plain34": "28.54 / 10.02 %, ten crops",
}
_PRINTED_MACS = {18: "1.8G", 34: "3.6G", 50: "3.8G", 101: "7.6G", 152: "11.3G"}
_SHORTCUTS = {
    "A": "shortcuts without parameters (option A)",
    "B": "projections where the shape changes (option B)",
    "C": "a projection in every block (option C)",
    "none": "no shortcuts",
}
_DIFFERS = {
    "bottleneck": "the network that torchvision and timm call so has the stride on the 3x3 convolution: it is {}_v1_5",
    "bottleneck_v1_5": "stride on the 3x3 convolution, as torchvision and timm compute it; the paper has it on the 1x1",
}


def _facts(name: str, row: ResNet) -> Facts:
    depth = 2 + sum(row.repeats) * (2 if row.block == "basic" else 3)
    return Facts(
        year=2015,
        paper="He et al., Deep Residual Learning for Image Recognition",
        summary=f"{depth} layers, {row.block.removesuffix('_v1_5')} blocks, {_SHORTCUTS[row.shortcut]}",
        shape=Shape(classes=1000, channels=3, size=(224, 224)),
        published_error=f"{_ERRORS[name]} on ImageNet" if name in _ERRORS else "",
        differs=_DIFFERS.get(row.block, "").format(name),
        training="SGD with momentum 0.9 and weight decay 1e-4, batches of 256, learning rate 0.1 divided by 10 when "
        "the error stops falling, up to 600,000 steps; the shorter side scaled to 256 to 480 pixels, crops of 224x224 "
        "and mirror images, per-pixel mean subtracted, colours varied as for AlexNet; no dropout.",
        printed=_printed(name, row, depth),
    )


def _printed(name: str, row: ResNet, depth: int) -> tuple[Printed, ...]:
    note = ""
    if name == "resnet34" or row.shortcut == "C":
        note = "3.6 is option A; projections make it 3.66 (B) or 3.83 (C)"
    elif row.block == "bottleneck_v1_5":
        note = "of the network with the stride on the 1x1 convolution"
    elif depth == 50:
        note = "3.858 counted here: the paper truncates, not rounds"
    return (
        Printed(tap="", macs=_PRINTED_MACS[depth], note=note),
        Printed(tap="stem", output="112x112"),
        Printed(tap="conv2_x", output="56x56"),
        Printed(tap="conv3_x", output="28x28"),
        Printed(tap="conv4_x", output="14x14"),
        Printed(tap="conv5_x", output="7x7"),
        Printed(tap="head.pool", output="1x1"),
    )


FACTS = {name: _facts(name, row) for name, row in ROWS.items()}

_BLOCK = r"stages\.conv(\d)_x\.block(\d+)\."
_THEIRS = "layer{1-1}.{2-1}."
_LIBRARY = Peer(
    names={
        "resnet18": "resnet18",
        "resnet34": "resnet34",
        "resnet50": "resnet50_v1_5",
        "resnet101": "resnet101_v1_5",
        "resnet152": "resnet152_v1_5",
    },
    keys=(
        (r"stem\.0\.(\w+)", "conv1.{1}"),
        (r"stem\.1\.(\w+)", "bn1.{1}"),
        (_BLOCK + r"body\.0\.(\w+)", _THEIRS + "conv1.{3}"),
        (_BLOCK + r"body\.1\.(\w+)", _THEIRS + "bn1.{3}"),
        (_BLOCK + r"body\.3\.(\w+)", _THEIRS + "conv2.{3}"),
        (_BLOCK + r"body\.4\.(\w+)", _THEIRS + "bn2.{3}"),
        (_BLOCK + r"body\.6\.(\w+)", _THEIRS + "conv3.{3}"),
        (_BLOCK + r"body\.7\.(\w+)", _THEIRS + "bn3.{3}"),
        (_BLOCK + r"shortcut\.(\d)\.(\w+)", _THEIRS + "downsample.{3}.{4}"),
        (r"head\.logits\.(\w+)", "fc.{1}"),
    ),
)
PEERS = {"torchvision": _LIBRARY, "timm": _LIBRARY}


def build(row: ResNet, shape: Shape) -> Network:
    """Build a row: a 7x7 convolution, max pooling, four stages of blocks, global average pooling, one linear layer.

    Initial weights are those of the paper's reference [13], N(0, 2 / fan in).
    """
    with blank():
        network = _assembled(row, shape)
    he_normal(network)
    return network


def _assembled(row: ResNet, shape: Shape) -> Network:
    kind, shortcut = BLOCKS[row.block], SHORTCUTS[row.shortcut]
    in_channels = row.widths[0]
    stem = convolution(shape.channels, in_channels, 7, 2)
    stem.append(nn.ReLU(inplace=True))
    stages: dict[str, nn.Module] = {}
    for number, (width, repeats) in enumerate(zip(row.widths, row.repeats, strict=True), start=2):
        layers = blocks(kind, shortcut, in_channels, width, repeats, 1 if number == 2 else 2)
        if number == 2:  # the table assigns the pooling to this stage, where it replaces the stride of the first block
            layers = OrderedDict(pool=nn.MaxPool2d(3, 2, padding=1), **layers)
        stages[f"conv{number}_x"] = nn.Sequential(layers)
        in_channels = width * kind.expansion
    stochastic_depth(stages.values(), row.stochastic_depth)
    head = nn.Sequential(
        OrderedDict(pool=nn.AdaptiveAvgPool2d(1), features=nn.Flatten(), logits=nn.Linear(in_channels, shape.classes))
    )
    return Network(stem=stem, stages=stages, head=head)
