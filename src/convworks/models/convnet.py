"""Small fast networks of this project: blocks of convolution, pooling, batch normalisation and ReLU."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from convworks.layers.network import Network
from convworks.layers.pooling.pool import PoolTo
from convworks.models.catalogue import Facts, Shape


@dataclass(frozen=True, kw_only=True)
class Block:
    """Convolution (no bias), max pooling, batch normalisation, ReLU. `padding` None keeps the size at stride 1.

    Pooling precedes normalisation and ReLU: similar features for a quarter of the elementwise work.
    """

    width: int
    kernel_size: int = 3
    stride: int = 1
    padding: int | None = None
    pool: int = 1


@dataclass(frozen=True, kw_only=True)
class Convnet:
    """A row: its blocks, the side of the map that the head reads (1: global average), and dropout before the logits."""

    blocks: tuple[Block, ...]
    head_size: int
    dropout: float = 0.0


ROWS = {
    "convnet_digits": Convnet(blocks=(Block(width=32), Block(width=64, pool=2), Block(width=64)), head_size=2),
    "convnet_fast": Convnet(
        blocks=(
            Block(width=16, kernel_size=5, stride=2, padding=0),
            Block(width=32, pool=2),
            Block(width=64, padding=0),
        ),
        head_size=3,
    ),
    "convnet_accurate": Convnet(
        blocks=(
            Block(width=32, kernel_size=5, stride=2),
            Block(width=48),
            Block(width=48, pool=2),
            Block(width=96),
            Block(width=96, pool=2),
        ),
        head_size=3,
        dropout=0.2,
    ),
    "convnet_color": Convnet(
        blocks=(
            Block(width=48, kernel_size=4, stride=2, padding=1),
            Block(width=48),
            Block(width=96, pool=2),
            Block(width=96),
            Block(width=192, pool=2),
            Block(width=192),
        ),
        head_size=1,
    ),
    # After a stem of stride 4, the convolutions run on 1/16 of the positions: at 96x96 pixels a step takes a quarter of
    # the time of convnet_color, and four times the epochs in the same time are worth more than fine detail.
    "convnet_photo": Convnet(
        blocks=(
            Block(width=32, kernel_size=8, stride=4, padding=2),
            Block(width=64),
            Block(width=64, pool=2),
            Block(width=128),
            Block(width=128, pool=2),
            Block(width=256),
        ),
        head_size=1,
    ),
}

_SUMMARIES = {
    "convnet_digits": (
        "three blocks for images of about 8x8 pixels",
        Shape(classes=10, channels=1, size=(8, 8)),
    ),
    "convnet_fast": ("seconds to 99 % on MNIST", Shape(classes=10, channels=1, size=(24, 24))),
    "convnet_accurate": ("minutes to 99.6 % on MNIST", Shape(classes=10, channels=1, size=(24, 24))),
    "convnet_color": ("colour images, without a GPU", Shape(classes=10, channels=3, size=(32, 32))),
    "convnet_photo": ("photographs of about 96x96 pixels, without a GPU", Shape(classes=10, channels=3, size=(96, 96))),
}

FACTS = {
    name: Facts(year=2026, paper="this project", summary=summary, shape=shape)
    for name, (summary, shape) in _SUMMARIES.items()
}


def build(row: Convnet, shape: Shape) -> Network:
    """Build a row: the first block is the stem, each further block a stage; the head has pooling, dropout, logits."""
    blocks, in_channels = [], shape.channels
    for entry in row.blocks:
        blocks.append(block(in_channels, entry))
        in_channels = entry.width
    logits = nn.Linear(in_channels * row.head_size**2, shape.classes)
    head = nn.Sequential(
        OrderedDict(pool=PoolTo(row.head_size), features=nn.Flatten(), dropout=nn.Dropout(row.dropout), logits=logits)
    )
    network = Network(stem=blocks[0], stages={f"stage{n}": b for n, b in enumerate(blocks[1:], 1)}, head=head)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    nn.init.xavier_normal_(logits.weight)
    nn.init.zeros_(logits.bias)
    return network


def block(in_channels: int, entry: Block) -> nn.Sequential:
    """Return the layers of a block."""
    size, padding = entry.kernel_size, entry.kernel_size // 2 if entry.padding is None else entry.padding
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(in_channels, entry.width, size, stride=entry.stride, padding=padding, bias=False)
    if entry.pool > 1:
        layers["pool"] = nn.MaxPool2d(entry.pool)
    layers["norm"] = nn.BatchNorm2d(entry.width)
    layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)
