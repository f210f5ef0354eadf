"""Ensembles as one network: members read the same images, and their logits are averaged (lecture 001, ensembles)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Members(nn.Module):
    """Run networks on the same images and stack their logits; the children are member1, member2, ..."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        for number, member in enumerate(members, start=1):
            self.add_module(f"member{number}", member)

    def forward(self, images: Float[Tensor, "b c *size"]) -> Float[Tensor, "b m k"]:
        """Run every member on the same images."""
        return torch.stack([member(images) for member in self.children()], dim=1)


class Mean(nn.Module):
    """The mean of the members' logits: up to a constant, the mean of their log probabilities."""

    def forward(self, logits: Float[Tensor, "b m k"]) -> Float[Tensor, "b k"]:
        """Average over the members."""
        return logits.mean(1)


class Member(nn.Module):
    """The logits of one member, for a loss of its own; `number` counts from 0."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, logits: Float[Tensor, "b m k"]) -> Float[Tensor, "b k"]:
        """Return the member's logits."""
        return logits[:, self.number]
