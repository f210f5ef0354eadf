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

from convworks.errors import InputError
from convworks.layers.partial import PartialConv2d

Weights = Mapping[str, Tensor]

FLAT = 1e-12  # of the squared movement, what is rounding


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


def by_filter(direction: Weights, network: nn.Module) -> dict[str, Tensor]:
    """Return a direction in which each filter is as long as that of the network (Li et al. 2018, section 4).

    Layers that are scaled against each other without changing the function then have the same landscape. A filter is
    all weights of one output channel, or of one unit, wherever the layer stores them.
    """
    weights, normalised = weights_of(network), {}
    for name, value in direction.items():
        filters = _filters(network.get_submodule(name.rpartition(".")[0]), value)
        normalised[name] = value * (_lengths(weights[name], filters) / _lengths(value, filters).clamp_min(1e-30))
    return normalised


def _filters(layer: nn.Module, weight: Tensor) -> Tensor:
    """Return which filter each weight of a layer belongs to, as numbers of the shape of its weights."""
    first = torch.arange(len(weight), device=weight.device)
    if isinstance(layer, PartialConv2d):  # a kernel for each connected pair of maps
        numbers = layer.source // layer.in_channels
    elif isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):  # input channels first
        group = first // (layer.in_channels // layer.groups)
        numbers = group[:, None] * weight.shape[1] + torch.arange(weight.shape[1], device=weight.device)
    else:
        numbers = first
    return numbers.reshape(*numbers.shape, *[1] * (weight.ndim - numbers.ndim)).expand_as(weight)


def _lengths(values: Tensor, filters: Tensor) -> Tensor:
    """Return for each value the length of its filter."""
    squares = values.new_zeros(int(filters.max()) + 1).index_add(0, filters.flatten(), values.square().flatten())
    return squares.sqrt()[filters]


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
    """Return the principal plane of the differences to the last of three or more (Li et al. 2018, section 7).

    Raises InputError if they span none.
    """
    last = path[-1]
    moved = torch.stack(
        [torch.cat([(each[name] - last[name]).flatten().double().cpu() for name in last]) for each in path[:-1]]
    )
    # As the components are combinations of a few differences, their products suffice.
    values, vectors = torch.linalg.eigh(moved @ moved.T)
    if not values[-2] > FLAT * values[-1]:
        reason = "the weights of the checkpoints span no plane"
        raise InputError("--directions trajectory", reason, "give a run whose weights changed between three of them")
    vectors = vectors * torch.where(vectors[0] < 0, -1.0, 1.0)  # a run begins on the positive side of both axes
    axes = [(moved.T @ vectors[:, -number]) / values[-number].sqrt() for number in (1, 2)]
    positions = torch.stack([moved @ axis for axis in axes], 1)
    positions = torch.cat([positions, positions.new_zeros(1, 2)])
    total = float(values.clamp_min(0).sum())
    return Trajectory(
        directions=(_unflattened(axes[0], last), _unflattened(axes[1], last)),
        steps=tuple(steps),
        positions=positions.numpy(),
        variance=(float(values[-1]) / total, float(values[-2]) / total),
    )


def _unflattened(flat: Tensor, like: Weights) -> dict[str, Tensor]:
    parts = torch.split(flat, [value.numel() for value in like.values()])
    return {name: part.view(value.shape).to(value) for part, (name, value) in zip(parts, like.items(), strict=True)}
