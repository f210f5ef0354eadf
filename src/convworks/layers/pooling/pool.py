"""Pooling to a fixed size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class PoolTo(nn.Module):
    """Average to a map of `side` x `side` positions; a map of this size passes through unchanged."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c s s"]:
        """Pool unless the size matches already: PyTorch's identity pooling costs as much as a convolution."""
        height, width = x.shape[-2:]
        if (height, width) == (self.side, self.side):
            return x
        if height % self.side == 0 and width % self.side == 0:
            return F.avg_pool2d(x, (height // self.side, width // self.side))
        # As two products with small matrices: adaptive pooling has no deterministic gradient on GPUs.
        rows, columns = (self._means(n).to(x) for n in (height, width))
        return rows @ x @ columns.T

    def _means(self, n: int) -> Float[Tensor, "s n"]:
        """Return the matrix that averages n values to `side` windows, which overlap unless `side` divides n."""
        window, position = torch.arange(self.side, device="cpu")[:, None], torch.arange(n, device="cpu")
        first, last = window * n // self.side, -(-(window + 1) * n // self.side)
        return ((position >= first) & (position < last)) / (last - first)
