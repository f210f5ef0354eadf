"""Residual connections (He et al. 2015, section 3.2)."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Residual(nn.Module):
    """`relu(body(x) + shortcut(x))`: body and shortcut must agree in their output shape."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d p q"]:
        """Add the shortcut to the body, then rectify."""
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


class Plain(nn.Module):
    """`relu(body(x))`: the twin of `Residual` without a shortcut."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d p q"]:
        """Rectify the body."""
        return F.relu(self.body(x), inplace=True)


class PadShortcut(nn.Module):
    """Option A: the identity, subsampled by `stride` and padded with zero channels; it has no parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - self.before

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d p q"]:
        """Subsample space, pad channels on both sides."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))
