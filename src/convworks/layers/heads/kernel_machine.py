"""A support vector machine with a radial basis function kernel as the output layer of a network."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class KernelMachine(nn.Module):
    """One-vs-one classification: a decision for every pair (i < j), positive for i, combined into logits.

    d = coefficients exp(-gamma |(x - mean) / std - v|^2) + bias, over the support vectors v. The logits of the classes
    are `scale` times the decision function of shape ovr of scikit-learn's SVC: the votes, with ties broken by the sum s
    of the decisions, as s / (3 (|s| + 1)). For two classes they are +-`scale` times d. There are no support vectors
    initially; `allocate_vectors` prepares for those of a state dict. Nothing here is trained by gradients.
    """

    vectors: Tensor
    coefficients: Tensor
    bias: Tensor
    mean: Tensor
    std: Tensor
    gamma: Tensor
    scale: Tensor

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        pairs = classes * (classes - 1) // 2
        self.classes = classes
        values = {
            "vectors": torch.zeros(0, features),
            "coefficients": torch.zeros(pairs, 0),
            "bias": torch.zeros(pairs),
            "mean": torch.zeros(features),
            "std": torch.ones(features),
            "gamma": torch.tensor(1 / features),
            "scale": torch.tensor(1.0),
        }
        for name, value in values.items():
            self.register_buffer(name, value)

    def forward(self, features: Float[Tensor, "b f"]) -> Float[Tensor, "b k"]:
        """Return the logits."""
        # Distances are differences of large numbers, which bfloat16 cannot represent accurately.
        device = "cpu" if features.is_meta else features.device.type
        with torch.autocast(device, enabled=False):
            return self._votes(self.decisions(features.to(self.mean.dtype)))

    def decisions(self, features: Float[Tensor, "b f"]) -> Float[Tensor, "b p"]:
        """Return the decision for each pair of classes: 0 and 1, 0 and 2, ..., 1 and 2, ..."""
        x = (features - self.mean) / self.std
        squared = x.square().sum(1, keepdim=True) - 2 * x @ self.vectors.T + self.vectors.square().sum(1)
        return (-self.gamma * squared.clamp(min=0)).exp() @ self.coefficients.T + self.bias

    def _votes(self, decisions: Float[Tensor, "b p"]) -> Float[Tensor, "b k"]:
        if self.classes == 2:
            return self.scale * torch.cat([decisions, -decisions], 1)
        votes = [torch.zeros_like(decisions[:, 0]) for _ in range(self.classes)]
        sums = list(votes)
        for index, (i, j) in enumerate(combinations(range(self.classes), 2)):
            decision = decisions[:, index]
            votes[i], votes[j] = votes[i] + (decision >= 0), votes[j] + (decision < 0)
            sums[i], sums[j] = sums[i] + decision, sums[j] - decision
        votes_of, sums_of = torch.stack(votes, 1), torch.stack(sums, 1)
        return self.scale * (votes_of + sums_of / (3 * (sums_of.abs() + 1)))


def allocate_vectors(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Resize the kernel machines of a network for the support vectors of a state dict, before it is loaded."""
    for name, module in network.named_modules():
        if isinstance(module, KernelMachine):
            prefix = f"{name}." if name else ""
            for part in ("vectors", "coefficients"):
                stored = state.get(f"{prefix}{part}")
                buffer = getattr(module, part)
                if stored is not None and stored.ndim == buffer.ndim:
                    axis = 0 if part == "vectors" else 1
                    shape = [stored.shape[i] if i == axis else buffer.shape[i] for i in range(2)]
                    setattr(module, part, buffer.new_zeros(shape))
