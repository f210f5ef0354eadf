"""The hourglasses of Ulyanov et al., Deep Image Prior, 2017, and its supplementary material (lecture 003)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from convworks.layers.hourglass import Hourglass, Scale
from convworks.layers.network import Network
from convworks.models.catalogue import Facts, Shape


@dataclass(frozen=True, kw_only=True)
class Prior:
    """A row of the supplementary material, with one entry per scale, finest first.

    `down` are the encoder channels n_d, `up` the decoder channels n_u, `skip` the channels n_s of the skip connection
    (0: none). Each scale has a convolution per entry of `down_kernels` (the first with stride 2) and of `up_kernels`.
    """

    down: tuple[int, ...] = (128, 128, 128, 128, 128)
    up: tuple[int, ...] = (128, 128, 128, 128, 128)
    skip: tuple[int, ...]
    down_kernels: tuple[int, ...] = (3, 3)
    up_kernels: tuple[int, ...] = (3, 1)
    skip_kernel: int = 1
    upsampling: str
    padding: Literal["reflect", "zeros"] = "reflect"


UPSAMPLING: dict[str, Callable[[], nn.Module]] = {
    "nearest": lambda: nn.Upsample(scale_factor=2, mode="nearest"),
    "bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
}


_NARROW = (64, 64, 64, 64, 64)
_LIBRARY = (16, 32, 64, 128, 128, 128)


def _library(depth: int) -> Prior:
    """Return the hourglass for large holes with `depth` scales: 5x5 kernels in the encoder, no skip connections."""
    return Prior(
        down=_LIBRARY[:depth],
        up=_LIBRARY[:depth],
        skip=(0,) * depth,
        down_kernels=(5, 5),
        up_kernels=(3,),
        upsampling="nearest",
    )


ROWS = {
    "prior_denoise": Prior(skip=(4, 4, 4, 4, 4), upsampling="bilinear"),
    "prior_denoise_narrow": Prior(down=_NARROW, up=_NARROW, skip=(4, 4, 4, 4, 4), upsampling="bilinear"),
    "prior_inpaint": Prior(skip=(128, 128, 128, 128, 128), upsampling="nearest"),
    "prior_jpeg": Prior(
        down=(8, 16, 32, 64, 128), up=(8, 16, 32, 64, 128), skip=(0, 0, 0, 4, 4), upsampling="bilinear"
    ),
    "prior_meshgrid": Prior(skip=(0, 0, 0, 0, 0), upsampling="nearest"),
    "prior_hole6": _library(6),
    "prior_hole4": _library(4),
    "prior_hole2": _library(2),
}

_ADAM = "Adam at learning rate 0.01 on one image, the input noise fixed but for a perturbation of N(0, {}^2). {}."
_HOLE = "Adam at learning rate 0.01 on the known pixels of one image, 3001 iterations; weights stay without noise."
_DIFFERS = "odd sizes: what rises is cropped to the size of its scale; the authors crop their images to multiples of 32"
_ALSO = {
    "hole": "; the released code feeds one channel of noise",
    "narrow": "; 64 channels at each scale, where the paper has 128",
}

# Name: purpose, channels of the input, training.
_DESCRIPTIONS = {
    "prior_denoise": (
        "denoising and x4 super-resolution: 4 channels kept of each scale",
        32,
        _ADAM.format("(1/30)", "1800 iterations for denoising, 2000 for super-resolution, averaged exponentially"),
    ),
    "prior_denoise_narrow": (
        "denoising on a CPU: half of the published channels, a quarter of the arithmetic",
        32,
        _ADAM.format("(1/30)", "1800 iterations, averaged exponentially"),
    ),
    "prior_inpaint": (
        "text and missing pixels: 128 channels kept of each scale",
        32,
        _ADAM.format("0.03", "6000 iterations on the known pixels"),
    ),
    "prior_jpeg": (
        "JPEG artefacts: a small network, from 3 channels of noise",
        3,
        _ADAM.format("(1/30)", "2400 iterations"),
    ),
    "prior_meshgrid": (
        "large holes (vase): nothing kept, the input is the coordinates of each pixel",
        2,
        _ADAM.format("0.03", "5000 iterations on the known pixels"),
    ),
    "prior_hole6": ("large holes (library): 6 scales, nothing kept", 32, _HOLE),
    "prior_hole4": ("large holes, 4 scales: figure 8 compares depths", 32, _HOLE),
    "prior_hole2": ("large holes, 2 scales: figure 8 compares depths", 32, _HOLE),
}

FACTS = {
    name: Facts(
        year=2017,
        paper="Ulyanov et al., Deep Image Prior",
        summary=summary,
        shape=Shape(classes=3, channels=channels, size=(512, 512)),
        makes="images",
        differs=_DIFFERS + "".join(words for part, words in _ALSO.items() if part in name),
        training=training,
    )
    for name, (summary, channels, training) in _DESCRIPTIONS.items()
}


def build(row: Prior, shape: Shape) -> Network:
    """Build a row, from noise (or coordinates) with `shape.channels` to an image with `shape.classes`, values 0 to 1.

    The paper does not specify initial weights; they are PyTorch's defaults, as in the authors' code.
    """
    scales, in_channels = [], shape.channels
    for number, (down, up, skip) in enumerate(zip(row.down, row.up, row.skip, strict=True), start=1):
        below = row.up[number] if number < len(row.up) else down
        joined = OrderedDict(
            norm=nn.BatchNorm2d(skip + below), **convolutions(skip + below, up, row.up_kernels, 1, row)
        )
        scales.append(
            Scale(
                across=nn.Sequential(convolutions(in_channels, skip, (row.skip_kernel,), 1, row)) if skip else None,
                down=nn.Sequential(convolutions(in_channels, down, row.down_kernels, 2, row)),
                rise=UPSAMPLING[row.upsampling](),
                up=nn.Sequential(joined),
            )
        )
        in_channels = down
    return Network(
        stem=nn.Identity(),
        stages={"hourglass": Hourglass(scales)},
        head=nn.Sequential(OrderedDict(logits=nn.Conv2d(row.up[0], shape.classes, 1), image=nn.Sigmoid())),
    )


def convolutions(
    in_channels: int, width: int, kernel_sizes: tuple[int, ...], stride: int, row: Prior
) -> OrderedDict[str, nn.Module]:
    """Return convolutions of these sizes, the first with `stride`; batch normalisation and leaky ReLU after each."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, size in enumerate(kernel_sizes, start=1):
        layers[f"conv{number}"] = nn.Conv2d(
            in_channels, width, size, stride, size // 2, padding_mode=row.padding if size > 1 else "zeros"
        )
        layers[f"norm{number}"] = nn.BatchNorm2d(width)
        layers[f"relu{number}"] = nn.LeakyReLU(0.2, inplace=True)
        in_channels, stride = width, 1
    return layers
