"""Pooling to a fixed size."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class PoolTo(nn.Module):
    """Average to a map of `side` x `side` positions; a map that has this size already passes through."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c s s"]:
        """Pool, where there is something to pool: PyTorch's identity pooling costs as much as a convolution."""
        return x if x.shape[-2:] == (self.side, self.side) else F.adaptive_avg_pool2d(x, self.side)
