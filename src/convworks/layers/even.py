"""A convolution that skips the row and column that the following pooling would drop."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class EvenConv2d(nn.Conv2d):
    """A 3x3 convolution with padding 1 and an output of even size: an odd last row or column is not computed.

    The pooling by 2 that follows would drop it: this saves a quarter of the work on a 7x7 map.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=False)

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k even_h even_w"]:
        """Return the map, at most a row and a column smaller than the input."""
        bottom, right = (1 - side % 2 for side in input.shape[2:])
        if bottom and right:
            return super().forward(input)
        return F.conv2d(F.pad(input, (1, right, 1, bottom)), self.weight)
