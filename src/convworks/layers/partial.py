"""A convolution whose output maps each read only some of the input maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class PartialConv2d(nn.Module):
    """A convolution with a table of connections: `table[d]` lists the input maps that output map d reads.

    Only the kernels of connected pairs are parameters; `connections` counts their weights, and with them the
    multiply-adds of one output position.
    """

    source: Tensor

    def __init__(self, in_channels: int, table: Sequence[Sequence[int]], kernel_size: int) -> None:
        super().__init__()
        pairs = [d * in_channels + c for d, inputs in enumerate(table) for c in inputs]
        self.in_channels = in_channels
        self.out_channels = len(table)
        self.kernel_size = kernel_size
        self.fan_in = [len(inputs) * kernel_size**2 for inputs in table]
        self.connections = len(pairs) * kernel_size**2
        self.register_buffer("source", torch.tensor(pairs), persistent=False)
        self.weight = nn.Parameter(torch.empty(len(pairs), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(len(table)))

    def dense_weight(self) -> Float[Tensor, "d c k k"]:
        """Return the weights of the equivalent dense convolution, with zeros for unconnected pairs."""
        empty = self.weight.new_zeros(self.out_channels * self.in_channels, self.kernel_size, self.kernel_size)
        full = empty.index_copy(0, self.source, self.weight)
        return full.view(self.out_channels, self.in_channels, self.kernel_size, self.kernel_size)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d p q"]:
        """Convolve without padding."""
        # One dense convolution with structural zeros is faster than sixteen small ones, and computes the same.
        return F.conv2d(x, self.dense_weight(), self.bias)
