"""Convolution along time: Dai et al., Very Deep Convolutional Neural Networks for Raw Waveforms, 2016."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from convworks.layers.blank import blank
from convworks.layers.draw import glorot_uniform
from convworks.layers.network import Network
from convworks.models.catalogue import Facts, Printed, Shape


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """A column of table 1: filters of 80 samples at stride 4, then groups (width, repeats) of filters of 3.

    Max pooling by 4 follows each of the first `pools` groups, counting the first convolution.
    """

    first: int
    groups: tuple[tuple[int, int], ...]
    pools: int = 4


ROWS = {
    "m3": Waveform(first=256, groups=((256, 1),), pools=2),
    "m5": Waveform(first=128, groups=((128, 1), (256, 1), (512, 1))),
    "m11": Waveform(first=64, groups=((64, 2), (128, 2), (256, 3), (512, 2))),
    "m18": Waveform(first=64, groups=((64, 4), (128, 4), (256, 4), (512, 4))),
}

# Parameters from the top of table 1, errors from table 2.
_PRINTED = {"m3": ("0.2M", "43.88"), "m5": ("0.5M", "36.58"), "m11": ("1.8M", "30.93"), "m18": ("3.7M", "28.32")}
_TIMES = ("8000", "2000", "500", "125", "32")


def _printed(name: str) -> tuple[Printed, ...]:
    """Return the rows of table 1: the length after each pooling."""
    row, parameters = ROWS[name], _PRINTED[name][0]
    widths = (row.first, *(width for width, _ in row.groups))
    pools = (Printed(tap=f"pool{n}", output=f"{_TIMES[n]}x{widths[n - 1]}") for n in range(1, row.pools + 1))
    note = "550,912 weights of convolutions, cut off, not rounded" if name == "m5" else ""
    return Printed(tap="", parameters=parameters, note=note), *pools


FACTS = {
    name: Facts(
        year=2016,
        paper="Dai et al., Very Deep Convolutional Neural Networks for Raw Waveforms",
        summary=f"{name[1:]} layers on 4 seconds of sound at 8 kHz",
        shape=Shape(classes=10, channels=1, size=(32_000,)),
        reads="signals",
        published_error=f"{_PRINTED[name][1]} % on UrbanSound8K",
        differs="padding, on which the paper is silent, is what gives its printed lengths",
        training="Adam, weight decay 0.0001, 100 to 400 epochs, no augmentation; sounds with mean 0 and variance 1.",
        printed=_printed(name),
    )
    for name in ROWS
}


def build(row: Waveform, shape: Shape) -> Network:
    """Build a row, for signals of any length: the head averages over time. Weights as Glorot and Bengio 2010."""
    with blank():
        network = _assembled(row, shape)
    glorot_uniform(network)
    return network


def _assembled(row: Waveform, shape: Shape) -> Network:
    stages: dict[str, nn.Module] = {}
    in_channels = row.first
    for number, (width, repeats) in enumerate((*row.groups, (0, 0)), start=1):
        if number <= row.pools:
            stages[f"pool{number}"] = nn.MaxPool1d(4, ceil_mode=True)
        if repeats:
            blocks: OrderedDict[str, nn.Module] = OrderedDict()
            for block in range(1, repeats + 1):
                blocks[f"block{block}"] = _convolution(in_channels, width, 3, 1, 1)
                in_channels = width
            stages[f"conv{number + 1}"] = nn.Sequential(blocks)
    head = OrderedDict(
        pool=nn.AdaptiveAvgPool1d(1), features=nn.Flatten(), logits=nn.Linear(in_channels, shape.classes)
    )
    stem = _convolution(shape.channels, row.first, 80, 4, 38)
    return Network(stem=stem, stages=stages, head=nn.Sequential(head))


def _convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int, padding: int) -> nn.Sequential:
    """Return a convolution along time, batch normalisation, ReLU."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv1d(in_channels, out_channels, kernel_size, stride, padding, bias=False),
            norm=nn.BatchNorm1d(out_channels),
            relu=nn.ReLU(inplace=True),
        )
    )
