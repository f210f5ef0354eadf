"""Convolution in space and time: Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, 2015."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from convworks.layers.blank import blank
from convworks.layers.draw import he_normal
from convworks.layers.network import Network
from convworks.models.catalogue import Facts, Printed, Shape


@dataclass(frozen=True, kw_only=True)
class C3D:
    """A row: the width of each convolution, group by group (figure 3), and of the fully connected layers."""

    groups: tuple[tuple[int, ...], ...] = ((64,), (128,), (256, 256), (512, 512), (512, 512))
    features: int = 4096
    dropout: float = 0.5


ROWS = {"c3d": C3D()}

FACTS = {
    "c3d": Facts(
        year=2015,
        paper="Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks",
        summary="eight 3x3x3 convolutions on clips of 16 frames, 112x112 pixels",
        shape=Shape(classes=487, channels=3, size=(16, 112, 112)),
        reads="volumes",
        published_error="38.9 / 14.8 % top-1/top-5 on Sports-1M (videos, pretrained on I380K), 17.7 % on UCF101",
        differs="first weights, on which the paper is silent, are drawn as He et al. 2015; pool5 pads space by one as "
        "in the released network, whose fc6 reads 8192 values",
        training="SGD, batch 30, learning rate 0.003, halved every 150,000 of 1.9 million iterations. Five random "
        "clips of two seconds from each video, cropped from 171x128 to 112x112, half of them flipped.",
        printed=(
            Printed(
                tap="", parameters="78M", note="77,995,776 without the 487 classes, 78,409,573 with those of UCF101"
            ),
            Printed(tap="pool1", output="16x56x56x64"),
            Printed(tap="pool2", output="8x28x28x128"),
            Printed(tap="pool3", output="4x14x14x256"),
            Printed(tap="pool4", output="2x7x7x512"),
            Printed(tap="pool5", output="1x4x4x512"),
            Printed(tap="head.fc6", output="4096"),
            Printed(tap="head.fc7", output="4096"),
        ),
    )
}


def build(row: C3D, shape: Shape) -> Network:
    """Build a row; larger clips are averaged to the size that fc6 reads. Initial weights as He et al. 2015."""
    with blank():
        network = _assembled(row, shape)
    he_normal(network)
    return network


def _assembled(row: C3D, shape: Shape) -> Network:
    layers: dict[str, nn.Module] = {}
    in_channels, last = shape.channels, len(row.groups)
    for number, widths in enumerate(row.groups, start=1):
        for letter, width in zip("abcdefgh", widths, strict=False):
            layers[f"conv{number}{letter}"] = nn.Sequential(
                OrderedDict(conv=nn.Conv3d(in_channels, width, 3, padding=1), relu=nn.ReLU())
            )
            in_channels = width
        # The first pooling preserves time, so that it does not collapse too early.
        window = (1, 2, 2) if number == 1 else (2, 2, 2)
        layers[f"pool{number}"] = nn.MaxPool3d(window, padding=(0, 1, 1) if number == last else 0)
    head = OrderedDict(
        pool=nn.AdaptiveAvgPool3d((1, 4, 4)),
        flat=nn.Flatten(),
        fc6=nn.Linear(in_channels * 4 * 4, row.features),
        relu6=nn.ReLU(),
        dropout6=nn.Dropout(row.dropout),
        fc7=nn.Linear(row.features, row.features),
        relu7=nn.ReLU(),
        dropout7=nn.Dropout(row.dropout),
        logits=nn.Linear(row.features, shape.classes),
    )
    stem = layers.pop("conv1a")
    return Network(stem=stem, stages=layers, head=nn.Sequential(head))
