"""The ResNet that Ulyanov et al., Deep Image Prior, 2017, compare their hourglasses with (figure 8; lecture 003)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from convworks.layers.added import Added
from convworks.layers.network import Network
from convworks.models.catalogue import Facts, Shape


@dataclass(frozen=True, kw_only=True)
class PriorResNet:
    """A row: number of residual blocks and their common width, at the size of the image."""

    blocks: int = 8
    width: int = 32


ROWS = {"prior_resnet": PriorResNet()}

FACTS = {
    "prior_resnet": Facts(
        year=2017,
        paper="Ulyanov et al., Deep Image Prior",
        summary="the ResNet of figure 8, depth 8: without coarser scales, a large hole stays a hole",
        shape=Shape(classes=3, channels=32, size=(512, 512)),
        makes="images",
        differs="the released code feeds it one channel of noise",
        training="Adam at learning rate 0.001 on the known pixels of one image, from fixed noise.",
    )
}


def build(row: PriorResNet, shape: Shape) -> Network:
    """Build a row. The paper does not specify initial weights; they are PyTorch's defaults, as in the authors' code."""
    stages: dict[str, nn.Module] = {
        "residual": nn.Sequential(
            OrderedDict((f"block{n}", Added(_block(row.width))) for n in range(1, row.blocks + 1))
        ),
        "last": nn.Sequential(
            OrderedDict(conv=nn.Conv2d(row.width, row.width, 3, padding=1), norm=nn.BatchNorm2d(row.width))
        ),
    }
    return Network(
        stem=nn.Sequential(
            OrderedDict(conv=_reflecting(shape.channels, row.width), relu=nn.LeakyReLU(0.2, inplace=True))
        ),
        stages=stages,
        head=nn.Sequential(OrderedDict(logits=_reflecting(row.width, shape.classes), image=nn.Sigmoid())),
    )


def _reflecting(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode="reflect")


def _block(width: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(width, width, 3, padding=1, bias=False),
            norm1=nn.BatchNorm2d(width),
            relu=nn.LeakyReLU(0.2, inplace=True),
            conv2=nn.Conv2d(width, width, 3, padding=1, bias=False),
            norm2=nn.BatchNorm2d(width),
        )
    )
