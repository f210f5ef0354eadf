"""A body added to its input, with nothing behind the sum."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class Added(nn.Module):
    """`x + body(x)`: the body keeps channels and size."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Float[Tensor, "b *shape"]) -> Float[Tensor, "b *shape"]:
        """Add."""
        change: Tensor = self.body(x)
        return x + change
