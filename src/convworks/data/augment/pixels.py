"""Augmentation that moves or blanks whole pixels: shift, flip, cutout."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from convworks.data.parts import in_parts

#: Values per image above which copying one by one on the CPU is twice as fast as `where` on a batch.
LARGE = 3 * 64 * 64


def shift(
    images: UInt8[Tensor, "b c h w"], noise: Float[Tensor, "b 2"], pixels: int, *, reflect: bool = False, fill: int = 0
) -> UInt8[Tensor, "b c h w"]:
    """Shift each image by up to `pixels` in both directions, filled with `fill` or its reflection."""
    b, _, h, w = images.shape
    offsets = (noise * (2 * pixels + 1)).long() - pixels
    y = torch.arange(h, device=images.device) + offsets[:, :1]
    x = torch.arange(w, device=images.device) + offsets[:, 1:]
    inside = ((y >= 0) & (y < h))[:, :, None] & ((x >= 0) & (x < w))[:, None, :]
    if reflect:
        y, x = _reflected(y, h), _reflected(x, w)
    samples = torch.arange(b, device=images.device)[:, None, None]
    # Indexing the b h w c view moves whole pixels, and gives channels_last memory.
    moved = images.permute(0, 2, 3, 1)[samples, y.clamp(0, h - 1)[:, :, None], x.clamp(0, w - 1)[:, None, :]]
    if not reflect:
        moved = torch.where(inside[..., None], moved, fill) if fill else moved * inside[..., None]
    return moved.permute(0, 3, 1, 2)


def flip(images: UInt8[Tensor, "b c h w"], noise: Float[Tensor, "b"]) -> UInt8[Tensor, "b c h w"]:
    """Mirror images with `noise` below 0.5 left to right."""
    mirrored = noise < 0.5
    if images.device.type == "cpu" and images.shape[1:].numel() >= LARGE:
        output = torch.empty_like(images)
        source, out, flags = images.numpy(), output.numpy(), mirrored.tolist()

        def fill(first: int, end: int) -> None:
            for sample in range(first, end):
                out[sample] = images[sample : sample + 1].flip(3)[0].numpy() if flags[sample] else source[sample]

        in_parts(fill, len(images))
        return output
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def cutout(images: UInt8[Tensor, "b c h w"], noise: Float[Tensor, "b 2"], side: int) -> UInt8[Tensor, "b c h w"]:
    """Blank a square of each image around a random pixel; it may lie partly outside (DeVries and Taylor 2017)."""
    h, w = images.shape[-2:]
    inside = []
    for axis, size in enumerate((h, w)):
        first = (noise[:, axis] * size).long() - side // 2
        index = torch.arange(size, device=images.device)
        inside.append((index >= first[:, None]) & (index < first[:, None] + side))
    blank = (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
    return images.clone().masked_fill_(blank, 0)  # in place: the copy keeps channels_last memory


def _reflected(index: Tensor, n: int) -> Tensor:
    """Reflect indices at the outermost pixels, without repeating these."""
    index = index.abs() % max(2 * n - 2, 1)
    return torch.where(index >= n, 2 * n - 2 - index, index)
