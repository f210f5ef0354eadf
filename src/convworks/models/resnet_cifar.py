"""The CIFAR ResNets and their plain twins: He et al., Deep Residual Learning, 2015, section 4.2."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import nn

from convworks.layers.draw import he_normal
from convworks.layers.network import Network
from convworks.layers.residual import BLOCKS as BODIES
from convworks.layers.residual import blocks, convolution, option_a, plain
from convworks.layers.stochastic_depth import stochastic_depth
from convworks.models import CIFAR_DEPTHS
from convworks.models.catalogue import Facts, Shape
from convworks.models.published.peers import Peer

BLOCKS = {"residual_a": option_a, "plain": plain}


@dataclass(frozen=True, kw_only=True)
class CifarResNet:
    """A row: `repeats` blocks in each stage (n in the paper), so 6n + 2 layers with three stages.

    `stochastic_depth` is the probability that the last block is dropped in a training step (Huang et al. 2016).
    """

    repeats: int
    block: str
    widths: tuple[int, ...] = (16, 32, 64)
    stochastic_depth: Annotated[float, Field(ge=0, lt=1)] = 0.0


ROWS = {
    f"{prefix}{depth}": CifarResNet(repeats=(depth - 2) // 6, block=block)
    for prefix, block in (("resnet", "residual_a"), ("plain", "plain"))
    for depth in CIFAR_DEPTHS
}

_ERRORS = {
    "resnet20": "8.75",
    "resnet32": "7.51",
    "resnet44": "7.17",
    "resnet56": "6.97",
    "resnet110": "6.43",
    "resnet1202": "7.93",
}

FACTS = {
    name: Facts(
        year=2015,
        paper="He et al., Deep Residual Learning for Image Recognition",
        summary=f"{6 * row.repeats + 2} layers for 32x32 images, "
        + ("without shortcuts" if row.block == "plain" else "parameter-free shortcuts (option A)"),
        shape=Shape(classes=10, channels=3, size=(32, 32)),
        published_error=f"{_ERRORS[name]} % on CIFAR-10" if name in _ERRORS else "",
        training="SGD with momentum 0.9 and weight decay 1e-4, batches of 128, learning rate 0.1 divided by 10 at "
        "32,000 and 48,000 of 64,000 steps (110 layers: 0.01 until the training error is below 80 %); shifts by up to "
        "4 pixels and mirror images, per-pixel mean subtracted.",
    )
    for name, row in ROWS.items()
}

# Published weights (github.com/akamaster/pytorch_resnet_cifar10); including its networks with 110 and 1202 layers.
PEERS = {
    "cifar": Peer(
        names={name: name for name in ROWS if name.startswith("resnet")},
        keys=(
            (r"stem\.0\.(\w+)", "conv1.{1}"),
            (r"stem\.1\.(\w+)", "bn1.{1}"),
            (r"stages\.stage(\d)\.block(\d+)\.body\.0\.(\w+)", "layer{1}.{2-1}.conv1.{3}"),
            (r"stages\.stage(\d)\.block(\d+)\.body\.1\.(\w+)", "layer{1}.{2-1}.bn1.{3}"),
            (r"stages\.stage(\d)\.block(\d+)\.body\.3\.(\w+)", "layer{1}.{2-1}.conv2.{3}"),
            (r"stages\.stage(\d)\.block(\d+)\.body\.4\.(\w+)", "layer{1}.{2-1}.bn2.{3}"),
            (r"head\.logits\.(\w+)", "linear.{1}"),
        ),
        crop_fraction=1.0,
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    )
}


def build(row: CifarResNet, shape: Shape) -> Network:
    """Build a row: a 3x3 convolution, stages that halve the size and double the width, global average pooling."""
    in_channels = row.widths[0]
    stem = convolution(shape.channels, in_channels, 3)
    stem.append(nn.ReLU(inplace=True))
    stages: dict[str, nn.Module] = {}
    for number, width in enumerate(row.widths, start=1):
        stride = 2 if number > 1 else 1
        kind, shortcut = BODIES["basic"], BLOCKS[row.block]
        stages[f"stage{number}"] = nn.Sequential(blocks(kind, shortcut, in_channels, width, row.repeats, stride))
        in_channels = width
    stochastic_depth(stages.values(), row.stochastic_depth)
    head = nn.Sequential(
        OrderedDict(pool=nn.AdaptiveAvgPool2d(1), features=nn.Flatten(), logits=nn.Linear(in_channels, shape.classes))
    )
    network = Network(stem=stem, stages=stages, head=head)
    he_normal(network)
    return network
