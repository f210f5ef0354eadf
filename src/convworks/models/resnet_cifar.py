"""The CIFAR ResNets and their plain twins: He et al., Deep Residual Learning, 2015, section 4.2."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from convworks.layers.network import Network
from convworks.layers.residual import PadShortcut, Plain, Residual
from convworks.models import CIFAR_DEPTHS
from convworks.models.catalogue import Facts, Shape


def residual_a(body: nn.Module, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Wrap a body with the parameter-free shortcut of option A."""
    return Residual(body, PadShortcut(in_channels, out_channels, stride) if stride > 1 else nn.Identity())


def plain(body: nn.Module, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Leave the shortcut out."""
    return Plain(body)


BLOCKS = {"residual_a": residual_a, "plain": plain}


@dataclass(frozen=True, kw_only=True)
class CifarResNet:
    """A row: `repeats` blocks in each stage (n in the paper), so 6n + 2 layers with three stages."""

    repeats: int
    block: str
    widths: tuple[int, ...] = (16, 32, 64)


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
    )
    for name, row in ROWS.items()
}


def build(row: CifarResNet, shape: Shape) -> Network:
    """Build a row: a 3x3 convolution, stages that halve the size and double the width, global average pooling."""
    in_channels = row.widths[0]
    stem = convolution(shape.channels, in_channels, 1)
    stem.append(nn.ReLU(inplace=True))
    stages: dict[str, nn.Module] = {}
    for number, width in enumerate(row.widths, start=1):
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for index in range(row.repeats):
            stride = 2 if number > 1 and index == 0 else 1
            body = nn.Sequential(
                *convolution(in_channels, width, stride), nn.ReLU(inplace=True), *convolution(width, width, 1)
            )
            blocks[f"block{index + 1}"] = BLOCKS[row.block](body, in_channels, width, stride)
            in_channels = width
        stages[f"stage{number}"] = nn.Sequential(blocks)
    head = nn.Sequential(
        OrderedDict(pool=nn.AdaptiveAvgPool2d(1), features=nn.Flatten(), logits=nn.Linear(in_channels, shape.classes))
    )
    return _initialised(Network(stem=stem, stages=stages, head=head))


def convolution(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """Return a 3x3 convolution that keeps the size (up to its stride), then batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def _initialised(network: Network) -> Network:
    """Draw the weights as He et al. 2015 (Delving Deep into Rectifiers), equation 10: N(0, 2 / fan in)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    return network
