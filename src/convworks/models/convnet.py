"""Small fast networks of this project: blocks of convolution, pooling, batch normalisation and ReLU."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from convworks.layers.network import Network
from convworks.models.catalogue import Facts, Shape


@dataclass(frozen=True, kw_only=True)
class Convnet:
    """A row: width, kernel size, stride and pooling of each block, and the size of the map that the head sees.

    Pooling stands before normalisation and ReLU: it gives the same kind of features for a quarter of the
    elementwise work.
    """

    widths: tuple[int, ...]
    kernel_sizes: tuple[int, ...]
    pools: tuple[int, ...]
    head_size: int = 1
    dropout: float = 0.0


ROWS = {
    "convnet_digits": Convnet(widths=(32, 64, 64), kernel_sizes=(3, 3, 3), pools=(1, 2, 1), head_size=2),
    "convnet_fast": Convnet(widths=(16, 32, 32), kernel_sizes=(3, 3, 3), pools=(2, 2, 2), head_size=3),
    "convnet_accurate": Convnet(widths=(32, 64, 64, 128), kernel_sizes=(3, 3, 3, 3), pools=(1, 2, 2, 2), head_size=3),
}

_SUMMARIES = {
    "convnet_digits": (
        "three blocks for images of about 8x8 pixels",
        Shape(classes=10, channels=1, size=(8, 8)),
    ),
    "convnet_fast": ("seconds to 99 % on MNIST", Shape(classes=10, channels=1, size=(28, 28))),
    "convnet_accurate": ("minutes to 99.6 % on MNIST", Shape(classes=10, channels=1, size=(28, 28))),
}

FACTS = {
    name: Facts(year=2026, paper="this project", summary=summary, shape=shape)
    for name, (summary, shape) in _SUMMARIES.items()
}


def build(row: Convnet, shape: Shape) -> Network:
    """Build a row: the first block is the stem, each further block a stage, the head pools, drops out and decides."""
    channels = (shape.channels, *row.widths)
    blocks = [
        block(channels[index], channels[index + 1], kernel_size, pool)
        for index, (kernel_size, pool) in enumerate(zip(row.kernel_sizes, row.pools, strict=True))
    ]
    head = nn.Sequential(
        OrderedDict(
            pool=nn.AdaptiveAvgPool2d(row.head_size),
            features=nn.Flatten(),
            dropout=nn.Dropout(row.dropout),
            logits=nn.Linear(row.widths[-1] * row.head_size**2, shape.classes),
        )
    )
    return Network(stem=blocks[0], stages={f"stage{n}": b for n, b in enumerate(blocks[1:], 1)}, head=head)


def block(in_channels: int, out_channels: int, kernel_size: int, pool: int) -> nn.Sequential:
    """Return convolution (size kept), max pooling, batch normalisation and ReLU."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
    if pool > 1:
        layers["pool"] = nn.MaxPool2d(pool)
    layers["norm"] = nn.BatchNorm2d(out_channels)
    layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)
