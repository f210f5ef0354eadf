"""Statistics of layers, as tensors on the device: nothing here waits for it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.layers.network import Network

#: So many values of an output are averaged: of large maps, those of the first samples of a batch.
VALUES = 1 << 15
NORMS = ("gradient", "weight", "update")
ACTIVATIONS = ("mean", "deviation", "zeros", "silent", "channels")


def root_mean_squares(tensors: Mapping[str, Tensor]) -> Float[Tensor, " n"]:
    """Return the root of the mean square of each tensor."""
    values = list(tensors.values())
    norms = torch._foreach_norm([value.detach() for value in values])
    sizes = norms[0].new_tensor([value.numel() for value in values])
    return torch.stack(list(norms)) / sizes.sqrt()


def activation(output: Float[Tensor, "b c *size"]) -> Float[Tensor, "5"]:
    """Return, of an output, mean, standard deviation, fraction of zeros, silent channels, and all channels.

    A channel is silent if it is 0 at every position of all samples: after a ReLU, none of its units fires. For that,
    every value counts; for the others, those of the first samples.
    """
    samples = max(1, VALUES // max(1, output[0].numel()))
    values = output.detach()[:samples].float()
    mean = values.mean()
    # By the norm, which takes a fiftieth of the time of torch.std_mean.
    deviation = (torch.linalg.vector_norm(values) ** 2 / values.numel() - mean**2).clamp_min(0).sqrt()
    zeros = 1 - torch.count_nonzero(values) / values.numel()
    silent = (output.detach().abs().amax(dim=(0, *range(2, output.ndim))) == 0).sum()
    return torch.stack([mean, deviation, zeros, silent, mean.new_full((), values.shape[1])])


def innermost_taps(network: nn.Module) -> dict[str, nn.Module]:
    """Return the taps that hold no others, by name; for other modules than networks their children."""
    if not isinstance(network, Network):
        return dict(network.named_children())
    taps = network.taps
    return {tap: network.tapped(tap) for tap in taps if not any(other.startswith(f"{tap}.") for other in taps)}
