"""Augmentation by planar maps: random crops at fixed size, affine distortions, and resampling."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from convworks.data.column import COLOURS, Spatial
from convworks.data.config import AffineConfig, Border


def crop_matrices(
    noise: Float[Tensor, "b 4"],
    smallest: float,
    size: tuple[int, int] | torch.Size,
    largest: float = 1.0,
    most: float = 4 / 3,
) -> Float[Tensor, "b 3 3"]:
    """Return the maps from the full image to random crops: fraction of the area, aspect ratio, position.

    A side that would exceed the image's is clipped to it.
    """
    area = smallest + (largest - smallest) * noise[:, 0]
    ratio = torch.exp((2 * noise[:, 1] - 1) * torch.log(torch.tensor(most))) * size[0] / size[1]
    width = (area * ratio).sqrt().clamp(max=1)
    height = (area / ratio).sqrt().clamp(max=1)
    x = (2 * noise[:, 2] - 1) * (1 - width)
    y = (2 * noise[:, 3] - 1) * (1 - height)
    return _matrices(width, torch.zeros_like(x), x, torch.zeros_like(x), height, y)


def affine_matrices(
    noise: Float[Tensor, "b 6"], config: AffineConfig, size: tuple[int, int] | torch.Size
) -> Float[Tensor, "b 3 3"]:
    """Return random affine distortions of images of a size (height, width), as maps from output to input coordinates.

    Both are in -1..1 along each side, while angles are those of pixels, which are square.
    """
    unit = 2 * noise - 1
    x, y = 2 * config.translate * unit[:, 0], 2 * config.translate * unit[:, 1]
    angle = torch.deg2rad(config.rotate * unit[:, 2])
    scale = 1 + config.scale * unit[:, 3]
    squeeze = 1 + config.squeeze * unit[:, 4]
    shear = config.shear * unit[:, 5]
    cos, sin = angle.cos(), angle.sin()
    rows = scale * squeeze, scale / squeeze
    across, down = rows[0] * (shear * cos - sin) * (size[0] / size[1]), rows[1] * sin * (size[1] / size[0])
    return _matrices(rows[0] * cos, across, x, down, rows[1] * (shear * sin + cos), y)


def warp(
    images: UInt8[Tensor, "b c h w"],
    matrices: Float[Tensor, "b 3 3"],
    moved: Float[Tensor, "b h w 2"] | None = None,
    interpolation: Literal["bilinear", "bicubic"] = "bilinear",
    spatial: Spatial = COLOURS,
    border: Border = "background",
) -> UInt8[Tensor, "b c h w"]:
    """Resample each image through its map; numbers of classes (`spatial`) stay numbers.

    Pixels outside have the fill of `spatial`, or are reflected about the outermost pixels, as NumPy's `reflect` pads.
    `moved` is an additional displacement (x, y), in pixels, of the position at which each pixel is read.
    """
    height, width = images.shape[2:]
    grid = F.affine_grid(matrices[:, :2], list(images.shape), align_corners=False)
    if moved is not None:
        grid = grid + moved * torch.tensor([2 / width, 2 / height], device=moved.device)
    reflect = border == "reflect"
    if reflect:  # with corners aligned, -1 and 1 are the centres of the outermost pixels
        grid = grid * torch.tensor([width / max(1, width - 1), height / max(1, height - 1)], device=grid.device)
    mode = "nearest" if spatial.nearest else interpolation
    values = images.float() - spatial.fill if spatial.fill else images.float()  # such that padding with 0 is the fill
    padding = "reflection" if reflect else "zeros"
    warped = F.grid_sample(values, grid, mode=mode, padding_mode=padding, align_corners=reflect)
    if spatial.fill:
        warped += spatial.fill
    if mode == "bicubic":  # it overshoots at edges
        warped.clamp_(0, 255)
    return warped.round_().to(torch.uint8).contiguous(memory_format=torch.channels_last)


def _matrices(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor) -> Tensor:
    zero, one = torch.zeros_like(a), torch.ones_like(a)
    return torch.stack([a, b, c, d, e, f, zero, zero, one], 1).view(-1, 3, 3)
