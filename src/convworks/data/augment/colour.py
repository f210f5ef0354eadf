"""Colour augmentation: brightness, contrast, saturation, hue, and their random jitter; lighting."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from convworks.data.config import JitterConfig

#: Eigenvectors of the covariance of red, green and blue (each in 0..1) over the ImageNet training set, one per column,
#: and their eigenvalues, as released with the ResNets in Torch (fb.resnet.torch, datasets/imagenet.lua).
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
EIGENVALUES = (0.2175, 0.0188, 0.0045)


def jitter(
    images: UInt8[Tensor, "b c h w"], noise: Float[Tensor, "b 4"], config: JitterConfig
) -> UInt8[Tensor, "b c h w"]:
    """Change brightness, contrast, saturation and hue, in this order; the first three by factors of 1 +- their range.

    Hue is rotated by up to its range, in whole turns.
    """
    unit = 2 * noise - 1
    for column, change in enumerate((brightness, contrast, saturation)):
        limit = (config.brightness, config.contrast, config.saturation)[column]
        if limit:
            images = change(images, (1 + limit * unit[:, column]).clamp(min=0))
    return hue(images, config.hue * unit[:, 3]) if config.hue else images


def brightness(images: UInt8[Tensor, "b c h w"], factor: Float[Tensor, "b"]) -> UInt8[Tensor, "b c h w"]:
    """Multiply each image: 0 is black, 1 changes nothing."""
    return blend(torch.zeros(1, 1, 1, 1, device=images.device), images, factor)


def contrast(images: UInt8[Tensor, "b c h w"], factor: Float[Tensor, "b"]) -> UInt8[Tensor, "b c h w"]:
    """Scale each image around its mean luminance: 0 is that grey, 1 changes nothing."""
    grey = luminance(images)
    count = grey[0].numel()
    mean = (2 * grey.sum((1, 2, 3)) + count) // (2 * count)  # in whole numbers: the same in any order
    return blend(mean.float()[:, None, None, None], images, factor)


def saturation(images: UInt8[Tensor, "b c h w"], factor: Float[Tensor, "b"]) -> UInt8[Tensor, "b c h w"]:
    """Scale each pixel's colour around its luminance: 0 is grey, 1 changes nothing; grey images are unchanged."""
    return blend(luminance(images).float(), images, factor) if images.shape[1] == 3 else images


def hue(images: UInt8[Tensor, "b 3 h w"], turn: Float[Tensor, "b"]) -> UInt8[Tensor, "b 3 h w"]:
    """Rotate the hue of each image by `turn`, in whole turns, keeping saturation and value (HSV)."""
    pixels = images.float()
    red, green, blue = pixels.unbind(1)
    value, least = pixels.amax(1), pixels.amin(1)
    chroma = value - least
    scale = chroma.clamp(min=1)  # without chroma, hue is undefined
    sixth = torch.where(value == green, (blue - red) / scale + 2, (red - green) / scale + 4)
    sixth = torch.where(value == red, (green - blue) / scale, sixth) + 6 * turn[:, None, None]
    for channel, start in enumerate((5, 3, 1)):
        position = (sixth + start) % 6
        weight = torch.minimum(position, 4 - position).clamp(0, 1)
        pixels[:, channel] = value - chroma * weight
    return pixels.round_().to(torch.uint8)


def lighting(images: UInt8[Tensor, "b 3 h w"], noise: Float[Tensor, "b 3"], deviation: float) -> Tensor:
    """Add random multiples of the principal components of ImageNet's colours (Krizhevsky et al. 2012, section 4.1).

    The multiple of a component is its eigenvalue times a normal variable of standard deviation `deviation`.
    """
    normal = torch.erfinv((2 * noise - 1).clamp(min=2**-24 - 1)) * 2**0.5
    vectors = torch.tensor(EIGENVECTORS, device=images.device)
    values = torch.tensor(EIGENVALUES, device=images.device)
    shift = 255 * deviation * ((normal * values)[:, None, :] * vectors).sum(2)
    return (images + shift[:, :, None, None]).round_().clamp_(0, 255).to(torch.uint8)


def luminance(images: UInt8[Tensor, "b c h w"]) -> UInt8[Tensor, "b 1 h w"]:
    """Return the luminance of each pixel: ITU-R BT.601 weights, rounded as in Pillow; else the channel mean."""
    if images.shape[1] == 1:
        return images
    if images.shape[1] != 3:
        return images.float().mean(1, keepdim=True).round_().to(torch.uint8)
    red, green, blue = images.int().unbind(1)
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).to(torch.uint8)[:, None]


def blend(
    low: Float[Tensor, "..."], images: UInt8[Tensor, "b c h w"], factor: Float[Tensor, "b"]
) -> UInt8[Tensor, "b c h w"]:
    """Return low + factor * (images - low), clipped to 0..255 and truncated, as Pillow's `blend` does."""
    mixed = (images.float() - low).mul_(factor[:, None, None, None]).add_(low)
    return mixed.clamp_(0, 255).to(torch.uint8)
