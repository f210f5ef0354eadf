"""Euclidean radial basis function output units with fixed codes (LeCun et al. 1998, section II.B)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class RBF(nn.Module):
    """Logits are minus the squared distances of the features to the fixed code of each class (equation 7)."""

    codes: Tensor

    def __init__(self, codes: Float[Tensor, "k f"]) -> None:
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, features: Float[Tensor, "b f"]) -> Float[Tensor, "b k"]:
        """Return minus the penalty of each class."""
        # Distances are differences of large numbers, which bfloat16 cannot represent accurately.
        device = "cpu" if features.is_meta else features.device.type
        with torch.autocast(device, enabled=False):
            return self._logits(features.float() if features.dtype == torch.bfloat16 else features)

    def _logits(self, features: Float[Tensor, "b f"]) -> Float[Tensor, "b k"]:
        # |x - w|^2 = |x|^2 - 2 x.w + |w|^2: one matrix product instead of b x k x f differences.
        lengths = features.square().sum(1, keepdim=True)
        return 2 * features @ self.codes.T - lengths - self.codes.square().sum(1)
