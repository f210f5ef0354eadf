"""The operations specific to RandAugment, each exactly as in Pillow."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from convworks.data.augment.colour import blend


def autocontrast(images: UInt8[Tensor, "b c h w"]) -> UInt8[Tensor, "b c h w"]:
    """Stretch each channel so that its darkest pixel is 0 and its lightest 255; a constant channel is unchanged."""
    low, high = images.amin((2, 3)).double(), images.amax((2, 3)).double()
    # `div`, because a number divided by a tensor is computed through its reciprocal, which rounds differently.
    scale = torch.full_like(low, 255).div((high - low).clamp(min=1))
    table = torch.arange(256, device=images.device) * scale[:, :, None] + (-low * scale)[:, :, None]
    constant = (high <= low)[:, :, None]
    return _apply_table(
        images, torch.where(constant, torch.arange(256, device=images.device), table.clamp(0, 255).long())
    )


def equalize(images: UInt8[Tensor, "b c h w"]) -> UInt8[Tensor, "b c h w"]:
    """Equalise the histogram of each channel."""
    counts = _histogram(images)
    last = torch.where(counts > 0, torch.arange(256, device=images.device), -1).amax(2, keepdim=True)
    step = (counts.sum(2, keepdim=True) - counts.gather(2, last)) // 255
    below = counts.cumsum(2) - counts
    table = (step // 2 + below) // step.clamp(min=1)
    return _apply_table(images, torch.where(step > 0, table, torch.arange(256, device=images.device)).clamp(0, 255))


def posterize(images: UInt8[Tensor, "b c h w"], bits: int) -> UInt8[Tensor, "b c h w"]:
    """Keep the `bits` most significant bits of each value."""
    return images & (256 - (1 << (8 - bits)))


def solarize(images: UInt8[Tensor, "b c h w"], threshold: float) -> UInt8[Tensor, "b c h w"]:
    """Invert the values from the threshold on."""
    return torch.where(images >= threshold, 255 - images, images)


def sharpness(images: UInt8[Tensor, "b c h w"], factor: Float[Tensor, "b"]) -> UInt8[Tensor, "b c h w"]:
    """Scale each image around its smoothed version: 0 is smooth, 1 changes nothing, 2 is sharp; borders stay."""
    smooth = images.float()
    if min(images.shape[2:]) >= 3:
        integers = images.int()
        weighted_sum = F.avg_pool2d(smooth, 3, 1, divisor_override=1).int() + 4 * integers[:, :, 1:-1, 1:-1]
        smooth[:, :, 1:-1, 1:-1] = ((2 * weighted_sum + 13) // 26).float()
    return blend(smooth, images, factor)


def _histogram(images: UInt8[Tensor, "b c h w"]) -> Int64[Tensor, "b c 256"]:
    b, c = images.shape[:2]
    channel = torch.arange(b * c, device=images.device).view(b, c, 1, 1) * 256
    return torch.bincount((images + channel).flatten(), minlength=256 * b * c).view(b, c, 256)


def _apply_table(images: UInt8[Tensor, "b c h w"], table: Int64[Tensor, "b c 256"]) -> UInt8[Tensor, "b c h w"]:
    """Map every value through the table of its channel."""
    b, c, h, w = images.shape
    return table.to(torch.uint8).gather(2, images.reshape(b, c, h * w).long()).view(b, c, h, w)
