"""Parallel branches of the same input, concatenated over channels (lecture 003, Inception)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Conv(NamedTuple):
    """A convolution of a branch: output channels, kernel, stride and padding (None: half the kernel)."""

    out_channels: int
    kernel_size: int | tuple[int, int] = 1
    stride: int = 1
    padding: int | None = None


#: Builds a convolution from the number of input channels.
Convolution = Callable[[int, Conv], nn.Module]


class Branches(nn.Module):
    """Concatenate the outputs of all branches along the channels; they must agree in size."""

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Float[Tensor, "b c *size"]) -> Float[Tensor, "b d *out"]:
        """Run every branch on the same input."""
        return torch.cat([branch(x) for branch in self.children()], dim=1)


def path(convolution: Convolution, in_channels: int, *steps: Conv, pool: nn.Module | None = None) -> nn.Sequential:
    """Return one branch: optional pooling, then convolutions conv1, conv2, ... in sequence."""
    layers: OrderedDict[str, nn.Module] = OrderedDict() if pool is None else OrderedDict(pool=pool)
    for number, step in enumerate(steps, start=1):
        layers[f"conv{number}"] = convolution(in_channels, step)
        in_channels = step.out_channels
    return nn.Sequential(layers)


def channels(module: nn.Module, in_channels: int) -> int:
    """Return the number of output channels of a module of convolutions, branches and channel-preserving layers."""
    if isinstance(module, nn.Conv2d):
        return module.out_channels
    if isinstance(module, Branches):
        return sum(channels(branch, in_channels) for branch in module.children())
    if isinstance(module, nn.Sequential):
        for layer in module:
            in_channels = channels(layer, in_channels)
    return in_channels


def rectified(in_channels: int, step: Conv) -> nn.Sequential:
    """Return a convolution with bias, then ReLU."""
    return nn.Sequential(OrderedDict(conv=_convolution(in_channels, step, bias=True), relu=nn.ReLU(inplace=True)))


def normalised(in_channels: int, step: Conv) -> nn.Sequential:
    """Return a convolution, batch normalisation (epsilon 0.001, as all released Inception networks have), ReLU."""
    return nn.Sequential(
        OrderedDict(
            conv=_convolution(in_channels, step, bias=False),
            bn=nn.BatchNorm2d(step.out_channels, eps=0.001),
            relu=nn.ReLU(inplace=True),
        )
    )


def _convolution(in_channels: int, step: Conv, *, bias: bool) -> nn.Conv2d:
    size = step.kernel_size
    rows, columns = (size, size) if isinstance(size, int) else size
    padding = (rows // 2, columns // 2) if step.padding is None else step.padding
    return nn.Conv2d(in_channels, step.out_channels, (rows, columns), step.stride, padding, bias=bias)
