"""The activation and the subsampling of the networks of the 1990s."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

AMPLITUDE = 1.7159
SLOPE = 2 / 3


class ScaledTanh(nn.Module):
    """`1.7159 tanh(2/3 a)` (LeCun et al. 1998, equation 6 and appendix A): f(1) = 1 and f(-1) = -1."""

    def forward(self, a: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Squash elementwise."""
        return AMPLITUDE * torch.tanh(SLOPE * a)


class Subsample(nn.Module):
    """Trainable subsampling: the sum of each 2x2 field, times a coefficient, plus a bias; both one number a map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c p q"]:
        """Halve the height and the width."""
        summed = 4 * F.avg_pool2d(x, 2)
        return summed * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)
