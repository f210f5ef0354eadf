"""Augmentation as batched functions of (images, random numbers); DRAWS numbers a sample, used by position."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from convworks.data.config import AffineConfig, AugmentConfig

DRAWS = 16  # more than are used today, so that a new augmentation leaves the numbers of the others alone


def augment(
    images: UInt8[Tensor, "b c h w"], noise: Float[Tensor, "b draws"], config: AugmentConfig
) -> UInt8[Tensor, "b c h w"]:
    """Apply what the configuration asks for; a pure function of its arguments."""
    if config.shift:
        images = shift(images, noise[:, 0:2], config.shift, reflect=config.border == "reflect")
    if config.flip:
        images = flip(images, noise[:, 2])
    if config.crop is not None or config.affine is not None:
        matrices = torch.eye(3, device=images.device).expand(len(images), 3, 3)
        if config.crop is not None:
            matrices = crop_matrices(noise[:, 3:7], config.crop, images.shape[-2:]) @ matrices
        if config.affine is not None:
            matrices = affine_matrices(noise[:, 7:13], config.affine) @ matrices
        images = warp(images, matrices)
    if config.cutout:
        images = cutout(images, noise[:, 13:15], config.cutout)
    return images


def shift(
    images: UInt8[Tensor, "b c h w"], noise: Float[Tensor, "b 2"], pixels: int, *, reflect: bool = False
) -> UInt8[Tensor, "b c h w"]:
    """Move each image by up to `pixels` in both directions, bringing in zeros or its own reflection."""
    b, _, h, w = images.shape
    offsets = (noise * (2 * pixels + 1)).long() - pixels
    y = torch.arange(h, device=images.device) + offsets[:, :1]
    x = torch.arange(w, device=images.device) + offsets[:, 1:]
    inside = ((y >= 0) & (y < h))[:, :, None] & ((x >= 0) & (x < w))[:, None, :]
    if reflect:
        y, x = _reflected(y, h), _reflected(x, w)
    samples = torch.arange(b, device=images.device)[:, None, None]
    # Indexing the b h w c view moves whole pixels, and leaves the result in channels_last memory.
    moved = images.permute(0, 2, 3, 1)[samples, y.clamp(0, h - 1)[:, :, None], x.clamp(0, w - 1)[:, None, :]]
    if not reflect:
        moved = moved * inside[..., None]
    return moved.permute(0, 3, 1, 2)


def flip(images: UInt8[Tensor, "b c h w"], noise: Float[Tensor, "b"]) -> UInt8[Tensor, "b c h w"]:
    """Mirror half of the images left to right."""
    return torch.where((noise < 0.5)[:, None, None, None], images.flip(3), images)


def cutout(images: UInt8[Tensor, "b c h w"], noise: Float[Tensor, "b 2"], side: int) -> UInt8[Tensor, "b c h w"]:
    """Blank a square of each image around any of its pixels; part of it may lie outside (DeVries and Taylor 2017)."""
    h, w = images.shape[-2:]
    inside = []
    for axis, size in enumerate((h, w)):
        first = (noise[:, axis] * size).long() - side // 2
        place = torch.arange(size, device=images.device)
        inside.append((place >= first[:, None]) & (place < first[:, None] + side))
    return images.masked_fill((inside[0][:, :, None] & inside[1][:, None, :])[:, None], 0)


def crop_matrices(
    noise: Float[Tensor, "b 4"], smallest: float, size: tuple[int, int] | torch.Size
) -> Float[Tensor, "b 3 3"]:
    """Return the maps from the full image to a random part of it: share of the area, ratio of sides, position."""
    area = smallest + (1 - smallest) * noise[:, 0]
    ratio = torch.exp((2 * noise[:, 1] - 1) * torch.log(torch.tensor(4 / 3))) * size[0] / size[1]
    width = (area * ratio).sqrt().clamp(max=1)
    height = (area / ratio).sqrt().clamp(max=1)
    x = (2 * noise[:, 2] - 1) * (1 - width)
    y = (2 * noise[:, 3] - 1) * (1 - height)
    return _matrices(width, torch.zeros_like(x), x, torch.zeros_like(x), height, y)


def affine_matrices(noise: Float[Tensor, "b 6"], config: AffineConfig) -> Float[Tensor, "b 3 3"]:
    """Return random planar distortions as maps from output to input coordinates, both in -1..1."""
    unit = 2 * noise - 1
    x, y = 2 * config.translate * unit[:, 0], 2 * config.translate * unit[:, 1]
    angle = torch.deg2rad(config.rotate * unit[:, 2])
    scale = 1 + config.scale * unit[:, 3]
    squeeze = 1 + config.squeeze * unit[:, 4]
    shear = config.shear * unit[:, 5]
    cos, sin = angle.cos(), angle.sin()
    rows = scale * squeeze, scale / squeeze
    return _matrices(rows[0] * cos, rows[0] * (shear * cos - sin), x, rows[1] * sin, rows[1] * (shear * sin + cos), y)


def warp(images: UInt8[Tensor, "b c h w"], matrices: Float[Tensor, "b 3 3"]) -> UInt8[Tensor, "b c h w"]:
    """Resample each image bilinearly through its map; what lies outside the image is 0."""
    grid = F.affine_grid(matrices[:, :2], list(images.shape), align_corners=False)
    warped = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return warped.round_().to(torch.uint8).contiguous(memory_format=torch.channels_last)


def _matrices(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor) -> Tensor:
    zero, one = torch.zeros_like(a), torch.ones_like(a)
    return torch.stack([a, b, c, d, e, f, zero, zero, one], 1).view(-1, 3, 3)


def _reflected(index: Tensor, n: int) -> Tensor:
    """Reflect indices at the outermost pixels, without repeating them."""
    index = index.abs() % max(2 * n - 2, 1)
    return torch.where(index >= n, 2 * n - 2 - index, index)
