"""Networks that go down through coarser scales and up again (U-Net; lecture 002, Up-convolution; 003, Deep Prior)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Scale(NamedTuple):
    """One scale of an hourglass.

    `across` makes what is kept of the scale's map (None: nothing but its size), `down` leads to the coarser scale below
    it, `rise` back up from there, and `up` reads what was kept and what has risen, one behind the other.
    """

    across: nn.Module | None
    down: nn.Module
    rise: nn.Module
    up: nn.Module


class Hourglass(nn.Module):
    """Scales nested in each other, the finest first: z_i = up_i([across_i(x_i), rise_i(z_i+1)]), x_i+1 = down_i(x_i).

    The coarsest x goes up as it is. Where kept and risen maps differ in size, both are cropped around the middle to the
    smaller size: the kept one in networks without padding, the risen one where `down` rounded up an odd size.
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
        """Go down and keep, then come up and join."""
        parts, kept = dict(self.named_children()), []
        for number in range(1, self.depth + 1):
            across = parts.get(f"across{number}")
            kept.append((x.shape[2:], None if across is None else across(x)))
            x = parts[f"down{number}"](x)
        for number in range(self.depth, 0, -1):
            x = parts[f"rise{number}"](x)
            size, beside = kept.pop()
            common = tuple(map(min, size, x.shape[2:]))
            x = crop(x, common)
            x = parts[f"up{number}"](x if beside is None else torch.cat([crop(beside, common), x], dim=1))
        return x


def crop(x: Float[Tensor, "b c *size"], size: Sequence[int]) -> Float[Tensor, "b c *out"]:
    """Cut `size` out of the middle of a map; where the rest is odd, one position less at the beginning."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    starts = [(have - wanted) // 2 for have, wanted in zip(x.shape[2:], size, strict=True)]
    cuts = [slice(start, start + wanted) for start, wanted in zip(starts, size, strict=True)]
    return x[(slice(None), slice(None), *cuts)]
