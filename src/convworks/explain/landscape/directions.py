"""Directions in the space of the weights: random ones, normalised by filter, and those in which a run moved most.

Biases and the parameters of normalisation stay where they are, as in Li et al. 2018.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from safetensors.torch import save
from torch import Tensor, nn

from convworks.bundle.tensors import load_tensors
from convworks.errors import InputError
from convworks.files import write_bytes
from convworks.layers.partial import PartialConv2d

Weights = Mapping[str, Tensor]

FLAT = 1e-12  # of the squared movement, what is rounding
VALUES = 1 << 23  # of all checkpoints in memory at a time


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


def trajectory(path: Iterable[Weights], steps: Sequence[int]) -> Trajectory:
    """Return the principal plane of the differences to the last of three or more (Li et al. 2018, section 7).

    `path` is gone through once, and may load each of the weights when it is needed: they are kept in a temporary file.
    Raises InputError if they span no plane.
    """
    with tempfile.TemporaryFile() as file:
        for weights in path:
            last, flat = weights, torch.cat([value.flatten() for value in weights.values()]).cpu()
            file.write(flat.numpy().tobytes())
        file.flush()
        kept = np.memmap(file, flat.numpy().dtype, "r", shape=(len(steps), len(flat)))
        # As the components are combinations of a few differences, the products of these suffice.
        products = sum(
            (moved @ moved.T for _, moved in _differences(kept)), torch.zeros(len(steps) - 1, len(steps) - 1).double()
        )
        values, vectors = torch.linalg.eigh(products)
        if not values[-2] > FLAT * values[-1]:
            reason = "the weights of the checkpoints span no plane"
            raise InputError(
                "--directions trajectory", reason, "give a run whose weights changed between three of them"
            )
        values, vectors = values[[-1, -2]].sqrt(), vectors[:, [-1, -2]]
        vectors *= torch.where(vectors[0] < 0, -1.0, 1.0)  # a run begins on the positive side of both axes
        axes = torch.empty(2, len(flat), dtype=flat.dtype)
        for part, moved in _differences(kept):
            axes[:, part] = ((vectors / values).T @ moved).to(flat.dtype)
    positions = torch.cat([vectors * values, vectors.new_zeros(1, 2)])
    variance = (values.square() / products.trace()).tolist()
    return Trajectory(
        directions=(_unflattened(axes[0], last), _unflattened(axes[1], last)),
        steps=tuple(steps),
        positions=positions.numpy(),
        variance=(variance[0], variance[1]),
    )


def _differences(flat: np.ndarray) -> Iterator[tuple[slice, Tensor]]:
    """Yield the differences of all rows to the last, some columns at a time."""
    width = max(1, VALUES // len(flat))
    for first in range(0, flat.shape[1], width):
        part = slice(first, first + width)
        yield part, torch.from_numpy(flat[:-1, part].astype(np.float64) - flat[-1, part])


def _unflattened(flat: Tensor, like: Weights) -> dict[str, Tensor]:
    parts = torch.split(flat, [value.numel() for value in like.values()])
    return {name: part.view(value.shape).to(value) for part, (name, value) in zip(parts, like.items(), strict=True)}


def write_directions(file: Path, directions: Sequence[Weights]) -> None:
    """Write directions into a file, for other processes."""
    tensors = {f"{number}.{name}": value for number, each in enumerate(directions) for name, value in each.items()}
    write_bytes(file, save({name: value.contiguous() for name, value in tensors.items()}))


def read_directions(file: Path) -> list[Weights]:
    """Return the directions in a file, of which there are two."""
    tensors = load_tensors(file)
    return [
        {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
        for start in ("0.", "1.")
    ]
