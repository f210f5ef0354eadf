"""The network of Jordan, 94 % on CIFAR-10 in 3.29 seconds on a single GPU, 2024 (airbench94)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from pydantic import PositiveFloat, PositiveInt
from torch import nn

from convworks.errors import InputError
from convworks.layers.even import EvenConv2d
from convworks.layers.network import Network
from convworks.layers.normalisation.scale import Scale
from convworks.layers.normalisation.whitening import Whitening
from convworks.models.catalogue import Facts, Shape


@dataclass(frozen=True, kw_only=True)
class Airbench:
    """A row: side of the whitened patches in pixels, widths of the groups, and scale of the logits.

    `first` are the widths of the first convolution of each group, which takes at least half of the group's time as it
    reads the map before pooling; None means the group's own. `epsilon` and `trained_bias` are those of the whitening;
    the gradient of that bias, on the largest map, takes a tenth of the time of a step.
    """

    whitened: PositiveInt = 2
    epsilon: PositiveFloat = 5e-4
    trained_bias: bool = True
    widths: tuple[PositiveInt, ...] = (64, 256, 256)
    first: tuple[PositiveInt, ...] | None = None
    scale: float = 1 / 9


ROWS = {"airbench94": Airbench()}

FACTS = {
    "airbench94": Facts(
        year=2024,
        paper="Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU",
        summary="94 % on CIFAR-10 in seconds: whitened patches, three groups of two convolutions",
        shape=Shape(classes=10, channels=3, size=(32, 32)),
        published_error="6.0 % on CIFAR-10 (with its test-time augmentation)",
        training="with Muon 8 epochs, batches of 2,000; label smoothing 0.2, shifts by 2, alternating flip",
    )
}

MOMENTUM = 0.4  # of the running statistics: runs have few steps
EPSILON = 1e-12


def build(row: Airbench, shape: Shape) -> Network:
    """Build a row: the whitening is the stem, each group a stage; the head takes the maximum of each map."""
    whitening = Whitening(shape.channels, row.whitened, epsilon=row.epsilon, trained_bias=row.trained_bias)
    stages, in_channels = OrderedDict[str, nn.Module](), whitening.out_channels
    firsts = row.first or row.widths
    if len(firsts) != len(row.widths):
        reason = f"{len(firsts)} widths of first convolutions, {len(row.widths)} groups"
        raise InputError("model.table.first", reason, "give one for each group")
    for number, (first, width) in enumerate(zip(firsts, row.widths, strict=True), 1):
        stages[f"group{number}"] = _group(in_channels, first, width)
        in_channels = width
    logits = nn.Linear(in_channels, shape.classes, bias=False)
    head = OrderedDict(pool=nn.AdaptiveMaxPool2d(1), features=nn.Flatten(), logits=logits, scale=Scale(row.scale))
    stem = nn.Sequential(OrderedDict(conv=whitening, gelu=nn.GELU()))
    return Network(stem=stem, stages=stages, head=nn.Sequential(head))


def _group(in_channels: int, first: int, width: int) -> nn.Sequential:
    """Return convolution, pooling, normalisation, GELU, and the same without pooling."""
    return nn.Sequential(
        OrderedDict(
            conv1=_identity(EvenConv2d(in_channels, first)),
            pool=nn.MaxPool2d(2),
            norm1=_norm(first),
            gelu1=nn.GELU(),
            conv2=_identity(nn.Conv2d(first, width, 3, padding=1, bias=False)),
            norm2=_norm(width),
            gelu2=nn.GELU(),
        )
    )


def _identity(convolution: nn.Conv2d) -> nn.Conv2d:
    """Initialise a convolution as the identity; further filters are random."""
    nn.init.dirac_(convolution.weight.data[: convolution.in_channels])
    return convolution


def _norm(width: int) -> nn.BatchNorm2d:
    """Return batch normalisation with a shift and no scale."""
    norm = nn.BatchNorm2d(width, eps=EPSILON, momentum=MOMENTUM)
    norm.weight.requires_grad_(False)
    return norm
