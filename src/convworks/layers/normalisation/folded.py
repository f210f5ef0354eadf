"""A network for prediction alone: batch normalisation folded into the convolutions before it."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import nn

from convworks.hardware import widest

N = TypeVar("N", bound=nn.Module)

#: Convolutions and the batch normalisation with the same number of axes.
PAIRS = ((nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d))


def folded(network: N) -> N:
    """Return a copy in evaluation mode with batch normalisation folded into the preceding convolutions.

    With running mean m, running variance v, scale g and shift b, `g * (w x + c - m) / sqrt(v + eps) + b` is again a
    convolution of x (Ioffe and Szegedy 2015, algorithm 2): the same numbers up to rounding, in fewer passes over the
    map. A folded normalisation becomes an identity, so modules keep their names; one elsewhere, or one that normalises
    by the batch, stays. Unchanged tensors are shared with the original network.
    """
    shared_tensors: dict[int, Any] = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    copied = copy.deepcopy(network, shared_tensors).eval()
    uses = _uses(copied)
    for chain in [module for module in copied.modules() if isinstance(module, nn.Sequential)]:
        for (_, layer), (name, following) in pairwise(chain.named_children()):
            if _foldable(layer, following) and uses[id(layer)] == uses[id(following)] == 1:
                _fold(layer, following)
                setattr(chain, name, nn.Identity())
    return copied


def _uses(network: nn.Module) -> Counter[int]:
    """Count the uses of each module: one that is used twice cannot be folded."""
    return Counter(id(child) for module in network.modules() for child in module._modules.values() if child is not None)


def _foldable(layer: Any, following: Any) -> bool:
    """Return whether a layer is a plain convolution followed by batch normalisation with running statistics.

    Types must match exactly, since a subclass may compute something else; hooks would see other values.
    """
    return (
        (type(layer), type(following)) in PAIRS
        and following.running_mean is not None
        and not any((layer._forward_hooks, layer._forward_pre_hooks, following._forward_hooks))
        and not following._forward_pre_hooks
    )


def _fold(convolution: Any, norm: Any) -> None:
    """Change the weights and bias of a convolution so that its output equals that of the normalisation."""
    weight = convolution.weight.detach()
    wide = widest(weight.device)
    ones = torch.ones_like(norm.running_mean)
    scale = (ones if norm.weight is None else norm.weight.detach()).to(wide)
    scale = scale / (norm.running_var.to(wide) + norm.eps).sqrt()
    shift = 0 if norm.bias is None else norm.bias.detach().to(wide)
    bias = 0 if convolution.bias is None else convolution.bias.detach().to(wide)
    shape = (-1, *(1,) * (weight.ndim - 1))
    convolution.weight = nn.Parameter((weight.to(wide) * scale.view(shape)).to(weight))
    convolution.bias = nn.Parameter((shift + (bias - norm.running_mean.to(wide)) * scale).to(weight))
