"""Encoder-decoder networks over several scales (U-Net; lecture 002, Up-convolution; 003, Deep Prior)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Scale(NamedTuple):
    """One scale of an hourglass.

    `across` computes the skip connection (None: no skip, only the size is kept), `down` leads to the next coarser
    scale, `rise` upsamples its result, and `up` reads the concatenation of skip connection and upsampled map.
    """

    across: nn.Module | None
    down: nn.Module
    rise: nn.Module
    up: nn.Module


class Hourglass(nn.Module):
    """Nested scales, the finest first: z_i = up_i([across_i(x_i), rise_i(z_i+1)]), x_i+1 = down_i(x_i).

    The coarsest x is passed up unchanged. If skip connection and upsampled map differ in size, both are centre-cropped
    to the smaller size: the skip connection in networks without padding, the upsampled map if `down` rounded up.
    The parts are children with names like across1, down1, rise1, up1, in the order of computation.
    """

    def __init__(self, scales: Sequence[Scale]) -> None:
        super().__init__()
        self.depth = len(scales)
        for number, scale in enumerate(scales, start=1):
            if scale.across is not None:
                self.add_module(f"across{number}", scale.across)
            self.add_module(f"down{number}", scale.down)
        for number, scale in reversed(list(enumerate(scales, start=1))):
            self.add_module(f"rise{number}", scale.rise)
            self.add_module(f"up{number}", scale.up)

    def forward(self, x: Float[Tensor, "b c *size"]) -> Float[Tensor, "b d *out"]:
        """Run the encoder, then the decoder with its skip connections."""
        parts, skips = dict(self.named_children()), []
        for number in range(1, self.depth + 1):
            across = parts.get(f"across{number}")
            skips.append((x.shape[2:], None if across is None else across(x)))
            x = parts[f"down{number}"](x)
        for number in range(self.depth, 0, -1):
            x = parts[f"rise{number}"](x)
            size, skip = skips.pop()
            common = tuple(map(min, size, x.shape[2:]))
            x = crop(x, common)
            x = parts[f"up{number}"](x if skip is None else torch.cat([crop(skip, common), x], dim=1))
        return x


def crop(x: Float[Tensor, "b c *size"], size: Sequence[int]) -> Float[Tensor, "b c *out"]:
    """Crop the centre of a map to `size`; for an odd difference, one position less at the beginning."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    starts = [(length - target) // 2 for length, target in zip(x.shape[2:], size, strict=True)]
    cuts = [slice(start, start + target) for start, target in zip(starts, size, strict=True)]
    return x[(slice(None), slice(None), *cuts)]
