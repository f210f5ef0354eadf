"""Random initial weights of a network built under `blank()`, in place, with PyTorch's default generator."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_UP_CONVOLUTIONS = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear  # representative of all ranks


def he_normal(network: nn.Module) -> None:
    """Initialise convolutions and linear layers as He et al. 2015 (equation 10), N(0, 2 / fan in), with zero biases."""
    for module, fan_in, _ in _fans(network):
        nn.init.normal_(module.weight, 0.0, math.sqrt(2 / fan_in))


def glorot_uniform(network: nn.Module, gain: float = 1.0) -> None:
    """Initialise as Glorot and Bengio 2010 (equation 16), U(-b, b) with b = gain sqrt(6 / (fan in + fan out))."""
    for module, fan_in, fan_out in _fans(network):
        bound = gain * math.sqrt(6 / (fan_in + fan_out))
        nn.init.uniform_(module.weight, -bound, bound)


def _fans(network: nn.Module) -> Iterator[tuple[_Layer, float, float]]:
    """Yield each layer that has weights with its fan in and fan out; biases are set to zero.

    Fans are those at stride 1, except for the fan in of up-convolutions, which is divided by the stride.
    """
    for module in network.modules():
        if isinstance(module, (*_CONVOLUTIONS, *_UP_CONVOLUTIONS, nn.Linear)):
            weight = module.weight
            fan_in, fan_out = weight[0].numel(), weight[:, 0].numel()
            if isinstance(module, _UP_CONVOLUTIONS):  # [in, out / groups, *kernel]
                stride = math.prod(module.stride)
                yield module, fan_out / module.groups / stride, fan_in  # type: ignore[misc]
            else:
                yield module, fan_in, fan_out  # type: ignore[misc]
            if module.bias is not None:
                nn.init.zeros_(module.bias)
