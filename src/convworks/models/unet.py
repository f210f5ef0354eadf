"""U-Net: Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, 2015."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from convworks.layers.blank import blank
from convworks.layers.draw import he_normal
from convworks.layers.hourglass import Hourglass, Scale
from convworks.layers.network import Network
from convworks.layers.sides import Sides
from convworks.models.catalogue import Facts, Printed, Shape


@dataclass(frozen=True, kw_only=True)
class UNet:
    """A row: the channels of each scale from the finest to the coarsest, and the parts that variants replace."""

    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    padding: str
    normalisation: str = "none"
    up_convolution: str = "2x2"
    dropout: float = 0.5
    output: str = "logits"


PADDING = {"none": 0, "zeros": 1}
NORMALISATION: dict[str, Callable[[int], nn.Module]] = {"none": nn.Identity, "instance": nn.InstanceNorm2d}
UP_CONVOLUTION: dict[str, Callable[[int, int], nn.Module]] = {
    "2x2": lambda in_channels, width: nn.ConvTranspose2d(in_channels, width, 2, stride=2),
    "4x4": lambda in_channels, width: nn.ConvTranspose2d(in_channels, width, 4, stride=2, padding=1),
}
OUTPUT: dict[str, dict[str, Callable[[], nn.Module]]] = {"logits": {}, "sigmoid": {"image": nn.Sigmoid}}

ROWS = {
    "unet": UNet(padding="none"),
    "unet_padded": UNet(padding="zeros"),
    "prior_unet": UNet(
        widths=(8, 16, 32, 64, 128, 128),
        padding="zeros",
        normalisation="instance",
        up_convolution="4x4",
        dropout=0.0,
        output="sigmoid",
    ),
}

_PAPER = "Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation"
_TRAINING = (
    "SGD with momentum 0.99 on single large tiles, cross-entropy weighted to balance classes and to press for borders "
    "between touching cells. Shifts, rotations, grey values, random elastic deformations (3x3 grid, 10 pixels)."
)

FACTS = {
    "unet": Facts(
        year=2015,
        paper=_PAPER,
        summary="23 convolutions without padding, scores for the middle 388x388 of a 572x572 tile",
        shape=Shape(classes=2, channels=1, size=(572, 572)),
        makes="map of logits",
        published_error="warping error 0.000353 (EM segmentation 2012), IoU 0.9203 (PhC-U373), 0.7756 (DIC-HeLa)",
        differs="dropout of 0.5 once, behind the coarsest scale: the paper has it at the end of the contracting path, "
        "and says neither how often nor at which rate",
        training=_TRAINING,
        printed=(
            Printed(tap="stem", output="568x568x64"),
            Printed(tap="hourglass.down1", output="280x280x128"),
            Printed(tap="hourglass.down2", output="136x136x256"),
            Printed(tap="hourglass.down3", output="64x64x512"),
            Printed(tap="hourglass.down4", output="28x28x1024"),
            Printed(tap="hourglass.up4", output="52x52x512"),
            Printed(tap="hourglass.up3", output="100x100x256"),
            Printed(tap="hourglass.up2", output="196x196x128"),
            Printed(tap="hourglass.up1", output="388x388x64"),
            Printed(tap="head", output="388x388x2"),
        ),
    ),
    "unet_padded": Facts(
        year=2015,
        paper=_PAPER,
        summary="U-Net with zero padding: scores for every pixel of images of any size",
        shape=Shape(classes=2, channels=1, size=(512, 512)),
        makes="map of logits",
        differs="from the paper: 3x3 convolutions pad with zeros, pooling rounds odd sizes up, what rises is cropped; "
        "dropout as in unet",
        training=_TRAINING,
    ),
    "prior_unet": Facts(
        year=2017,
        paper="Ulyanov et al., Deep Image Prior",
        summary="the U-Net of figure 8, depth 5, that fills a large hole worse than an hourglass without shortcuts",
        shape=Shape(classes=3, channels=32, size=(512, 512)),
        makes="images",
        differs="first weights are drawn as in U-Net, and there is no dropout; the released code feeds it one channel "
        "of noise",
        training="Adam at learning rate 0.001 on the known pixels of one image, from fixed noise.",
    ),
}


def build(row: UNet, shape: Shape) -> Network:
    """Build a row: the finest scale on the way down is the stem. Weights are N(0, 2 / fan in) (section 3).

    Without padding, InputError tells which sizes fit: all maps that are pooled must have even sides.
    """
    with blank():
        network = _assembled(row, shape)
    he_normal(network)
    return network


def sides(scales: int) -> Sides:
    """Return which sides fit without padding: 4 pixels fewer on each scale on the way down, and nothing left over.

    With less than 4 x 4 units at the end of the coarsest scale, nothing would be left at the end of the way up.
    """
    return Sides(first=12 * 2**scales - 4, step=2**scales)


def convolutions(in_channels: int, width: int, row: UNet, normalisation: str) -> OrderedDict[str, nn.Module]:
    """Return two 3x3 convolutions, each followed by ReLU."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, channels in enumerate((in_channels, width), start=1):
        layers[f"conv{number}"] = nn.Conv2d(channels, width, 3, padding=PADDING[row.padding])
        if normalisation != "none":
            layers[f"norm{number}"] = NORMALISATION[normalisation](width)
        layers[f"relu{number}"] = nn.ReLU(inplace=True)
    return layers


def _assembled(row: UNet, shape: Shape) -> Network:
    stem = convolutions(shape.channels, row.widths[0], row, row.normalisation)
    if row.padding == "none":
        fitting = sides(len(row.widths) - 1)
        fitting.check(shape.size)
        stem = OrderedDict(sides=fitting, **stem)
    scales: list[Scale] = []
    for width, below in pairwise(row.widths):
        # Without padding all sizes are even, since the stem rejects others. With padding, odd ones are rounded up.
        down = OrderedDict(pool=nn.MaxPool2d(2, ceil_mode=True), **convolutions(width, below, row, row.normalisation))
        if len(scales) == len(row.widths) - 2:
            down["dropout"] = nn.Dropout(row.dropout)
        scales.append(
            Scale(
                across=nn.Identity(),
                down=nn.Sequential(down),
                rise=UP_CONVOLUTION[row.up_convolution](below, width),
                up=nn.Sequential(convolutions(2 * width, width, row, "none")),
            )
        )
    head: OrderedDict[str, nn.Module] = OrderedDict(logits=nn.Conv2d(row.widths[0], shape.classes, 1))
    head.update((name, make()) for name, make in OUTPUT[row.output].items())
    return Network(stem=nn.Sequential(stem), stages={"hourglass": Hourglass(scales)}, head=nn.Sequential(head))
