"""The weight-randomisation test: does a map depend on what the network has learned?

The plain test (Adebayo et al. 2018) asks whether a map changes when weights are random. That is criticised: any map of
another network is another map, and noise alone passes (Hedström et al. 2024, arXiv 2401.06465). Their efficient form,
eMPRT, asks whether the map becomes more complex: that of a trained network is ordered, that of random weights is not.
Complexity is theirs, the entropy of the values; order in space, and what maps of different images have in common, which
it does not see, are measured beside it.
"""

from __future__ import annotations

from copy import deepcopy

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convworks.layers.initialise import initialise

#: Bins of the histogram whose entropy is the complexity of a map: at most so many, and one for so many pixels.
BINS, PIXELS = 100, 8

Map = Float[Tensor, "b *size"]


def randomised(network: nn.Module, seed: int) -> nn.Module:
    """Return a copy with random weights (`randomise`)."""
    copied = deepcopy(network)
    randomise(copied, network, seed)
    return copied


def randomise(copied: nn.Module, network: nn.Module, seed: int) -> None:
    """Give a copy of a network random weights, whatever it has now.

    Those of convolutions and linear layers are He's, normalisation is as at its beginning, and parameters that no rule
    is known for are drawn from the normal distribution with the mean and the deviation that they have in the network.
    """
    drawn = set(initialise(copied, "he_normal", seed=seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for (name, module), original in zip(copied.named_modules(), network.modules(), strict=True):
            reset = getattr(module, "reset_parameters", None)
            if name in drawn:
                continue
            if callable(reset):
                reset()
            else:
                _draw(module, original)


def _draw(module: nn.Module, original: nn.Module) -> None:
    """Draw a module's own parameters, on the scale that they have in the original."""
    for parameter, own in zip(module.parameters(recurse=False), original.parameters(recurse=False), strict=True):
        if parameter.is_floating_point() and parameter.numel() > 1:
            noise = torch.randn(parameter.shape).to(parameter)
            parameter.data = own.data.mean() + own.data.std() * noise


def complexity(maps: Map) -> Float[Tensor, " b"]:
    """Return the entropy of the histogram of each map's values, in bits; 0 for a map of one value."""
    entropies = []
    for row in maps.detach().cpu().double().flatten(1):
        counts = torch.histc(row, max(2, min(BINS, row.numel() // PIXELS)))
        fractions = counts[counts > 0] / counts.sum()
        entropies.append(-(fractions * fractions.log2()).sum())
    return torch.stack(entropies).float()


def order(maps: Map) -> Float[Tensor, " b"]:
    """Return the correlation of each map's neighbouring pixels, the mean over its axes; 0 for a map of one value."""
    along = []
    for axis in range(1, maps.ndim):
        length = maps.shape[axis] - 1
        pairs = [maps.detach().cpu().double().narrow(axis, start, length).flatten(1) for start in (0, 1)]
        first, second = (part - part.mean(1, keepdim=True) for part in pairs)
        along.append(F.cosine_similarity(first, second))
    return torch.stack(along).mean(0).float()


def repetition(maps: Map) -> Float[Tensor, " 1"]:
    """Return the mean rank correlation of the maps of different images; 0 for a single one."""
    ranks, count = ranked(maps), len(maps)
    if count < 2:
        return torch.zeros(1)
    return ((ranks.sum(0).square().sum() - ranks.square().sum()) / (count * (count - 1))).float()[None]


def ranked(maps: Map) -> Float[Tensor, "b n"]:
    """Return the rank of each value, shifted and scaled so that the product of two maps is their rank correlation."""
    ranks = _ranks(maps)
    return F.normalize(ranks - ranks.mean(1, keepdim=True))


def _ranks(maps: Map) -> Float[Tensor, "b n"]:
    """Return the rank of each value; equal values share the mean of theirs."""
    ranks: list[Tensor] = []
    for row in maps.detach().cpu().flatten(1):
        _, place, counts = row.unique(return_inverse=True, return_counts=True)
        ranks.append((counts.cumsum(0).double() - (counts - 1) / 2)[place])
    return torch.stack(ranks)
