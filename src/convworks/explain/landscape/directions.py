"""Directions in the space of the weights: random ones, normalised by filter, and those in which a run moved most.

Biases and the parameters of normalisation stay where they are, as in Li et al. 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

Weights = Mapping[str, Tensor]


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the filters and matrices of a network by name."""
    return {name: value.detach() for name, value in network.named_parameters() if value.ndim > 1}


def gaussian(weights: Weights, seed: int) -> dict[str, Tensor]:
    """Return a random direction of N(0, 1), which depends on the shapes of the weights alone."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value)
        for name, value in weights.items()
    }


def by_filter(direction: Weights, weights: Weights) -> dict[str, Tensor]:
    """Return a direction in which each filter is as long as that of the weights (Li et al. 2018, section 4).

    Layers that are scaled against each other without changing the function then have the same landscape. A filter is
    a slice along the first axis: the weights of one output channel, or of one unit.
    """
    return {
        name: value * (_lengths(weights[name]) / _lengths(value).clamp_min(1e-30)) for name, value in direction.items()
    }


def _lengths(values: Tensor) -> Tensor:
    lengths: Tensor = values.flatten(1).norm(dim=1)
    return lengths.view(-1, *[1] * (values.ndim - 1))


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """The path of a run in the plane in which it moved most: orthonormal directions, and a position for each step.

    `variance` is the fraction of the movement that each direction holds; the last position is (0, 0).
    """

    directions: tuple[dict[str, Tensor], dict[str, Tensor]]
    steps: tuple[int, ...]
    positions: Float64[np.ndarray, "t 2"]
    variance: tuple[float, float]


def trajectory(path: Sequence[Weights], steps: Sequence[int]) -> Trajectory:
    """Return the principal plane of the differences to the last of three or more (Li et al. 2018, section 7)."""
    last = path[-1]
    moved = torch.stack(
        [torch.cat([(each[name] - last[name]).flatten().double().cpu() for name in last]) for each in path[:-1]]
    )
    # As the components are combinations of a few differences, their products suffice.
    values, vectors = torch.linalg.eigh(moved @ moved.T)
    vectors = vectors * torch.where(vectors[0] < 0, -1.0, 1.0)  # a run begins on the positive side of both axes
    axes = [(moved.T @ vectors[:, -number]) / values[-number].clamp_min(1e-30).sqrt() for number in (1, 2)]
    positions = torch.stack([moved @ axis for axis in axes], 1)
    positions = torch.cat([positions, positions.new_zeros(1, 2)])
    total = float(values.clamp_min(0).sum()) or 1.0
    return Trajectory(
        directions=(_unflattened(axes[0], last), _unflattened(axes[1], last)),
        steps=tuple(steps),
        positions=positions.numpy(),
        variance=(float(values[-1]) / total, float(values[-2].clamp_min(0)) / total),
    )


def _unflattened(flat: Tensor, like: Weights) -> dict[str, Tensor]:
    parts = torch.split(flat, [value.numel() for value in like.values()])
    return {name: part.view(value.shape).to(value) for part, (name, value) in zip(parts, like.items(), strict=True)}
