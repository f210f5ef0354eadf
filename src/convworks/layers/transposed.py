"""A fully connected layer with the transposed weights of another layer (lecture 001, Autoencoders: tied weights)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Transposed(nn.Module):
    """`x W + b'` beside a layer `x W^T + b`: the weights W' = W^T are shared, only the bias is its own.

    A state dict contains W once, under the name of the other layer, which must be part of the same network.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features = layer.out_features
        self.out_features = layer.in_features
        self.bias = nn.Parameter(torch.empty_like(layer.weight[0]))
        self._layer = (layer,)  # in a tuple, so that its weight is not registered twice
        nn.init.zeros_(self.bias)

    @property
    def layer(self) -> nn.Linear:
        """Return the layer whose weights are used."""
        return self._layer[0]

    def forward(self, x: Float[Tensor, "b f"]) -> Float[Tensor, "b g"]:
        """Multiply by the transposed weights, add the bias."""
        return F.linear(x, self.layer.weight.T, self.bias)
