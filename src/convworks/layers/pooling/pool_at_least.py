"""Average pooling with a minimum output size, for heads that need one."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convworks.layers.pooling.pool import PoolTo


class PoolAtLeast(nn.Module):
    """Average over windows of `kernel_size` with `stride`; small maps are averaged to `side` x `side` instead.

    A map is small if fewer than `side` windows fit along an axis.
    """

    def __init__(self, side: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        self.smallest = (side - 1) * stride + kernel_size
        self.small = PoolTo(side)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c p q"]:
        """Pool."""
        if min(x.shape[-2:]) < self.smallest:
            small: Tensor = self.small(x)
            return small
        return F.avg_pool2d(x, self.kernel_size, self.stride)
