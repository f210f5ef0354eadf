"""Multiplication by a constant."""

from __future__ import annotations

from torch import Tensor, nn


class Scale(nn.Module):
    """Multiply by a constant factor; applied to logits, it sets the temperature of the softmax."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        return x * self.factor
