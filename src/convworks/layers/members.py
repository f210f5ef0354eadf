"""Several networks as one: they read the same images, and the answer is the mean of theirs (lecture 001, ensembles)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Members(nn.Module):
    """Networks side by side that read the same images: children member1, member2, ..., their logits stacked."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        for number, member in enumerate(members, start=1):
            self.add_module(f"member{number}", member)

    def forward(self, images: Float[Tensor, "b c *size"]) -> Float[Tensor, "b m k"]:
        """Run every member on the same images."""
        return torch.stack([member(images) for member in self.children()], dim=1)


class Mean(nn.Module):
    """The mean of the members' logits: up to a constant, that of their logarithms of probabilities."""

    def forward(self, logits: Float[Tensor, "b m k"]) -> Float[Tensor, "b k"]:
        """Return one answer a sample."""
        return logits.mean(1)


class Member(nn.Module):
    """The logits of one member, for a loss of its own; `number` counts from 0."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, logits: Float[Tensor, "b m k"]) -> Float[Tensor, "b k"]:
        """Return the member's logits."""
        return logits[:, self.number]
