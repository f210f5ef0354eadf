"""Residual connections (He et al. 2015, section 3.2; lecture 003, ResNet): blocks, shortcuts, stages of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Residual(nn.Module):
    """`relu(body(x) + shortcut(x))`: body and shortcut must agree in their output shape.

    The sum is computed in place in the body's output, so the body must not end in an activation that autograd saved.
    """

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d p q"]:
        """Add the shortcut to the body, then rectify."""
        y: Tensor = self.body(x)
        # In place in the body's output, which nothing else reads: one map less to write.
        y = y + self.shortcut(x) if y is x else y.add_(self.shortcut(x))
        return F.relu(y, inplace=True)


class Plain(nn.Module):
    """`relu(body(x))`: the twin of `Residual` without a shortcut."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d p q"]:
        """Rectify the body."""
        return F.relu(self.body(x), inplace=True)


class PadShortcut(nn.Module):
    """Option A: the identity, subsampled by `stride` and padded with zero channels; it has no parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - self.before

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d p q"]:
        """Subsample the positions, pad channels on both sides."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


def convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the size (up to its stride), then batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def basic(in_channels: int, width: int, stride: int) -> nn.Sequential:
    """Return two 3x3 convolutions (figure 5, left)."""
    return _body(convolution(in_channels, width, 3, stride), convolution(width, width, 3))


def bottleneck(in_channels: int, width: int, stride: int) -> nn.Sequential:
    """Return a 1x1 convolution that narrows and has the stride, a 3x3, and a 1x1 that widens (figure 5, right)."""
    return _body(
        convolution(in_channels, width, 1, stride), convolution(width, width, 3), convolution(width, 4 * width, 1)
    )


def bottleneck_v1_5(in_channels: int, width: int, stride: int) -> nn.Sequential:
    """Return a bottleneck with the stride on its 3x3 convolution, which reads every position; known as version 1.5."""
    return _body(
        convolution(in_channels, width, 1), convolution(width, width, 3, stride), convolution(width, 4 * width, 1)
    )


class Block(NamedTuple):
    """A kind of block: its body from (in_channels, width, stride), and the ratio of output channels to width."""

    body: Callable[[int, int, int], nn.Module]
    expansion: int


BLOCKS: Mapping[str, Block] = {
    "basic": Block(basic, 1),
    "bottleneck": Block(bottleneck, 4),
    "bottleneck_v1_5": Block(bottleneck_v1_5, 4),
}

#: Completes a body to a block, from (body, in_channels, out_channels, stride).
Shortcut = Callable[[nn.Module, int, int, int], nn.Module]


def option_a(body: nn.Module, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Add the identity; where the shape changes, the input subsampled and padded with zero channels."""
    same = in_channels == out_channels and stride == 1
    return Residual(body, nn.Identity() if same else PadShortcut(in_channels, out_channels, stride))


def option_b(body: nn.Module, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Add the identity; where the shape changes, a projection: a 1x1 convolution with batch normalisation."""
    same = in_channels == out_channels and stride == 1
    return Residual(body, nn.Identity()) if same else option_c(body, in_channels, out_channels, stride)


def option_c(body: nn.Module, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Add a projection everywhere."""
    return Residual(body, convolution(in_channels, out_channels, 1, stride))


def plain(body: nn.Module, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Leave the shortcut out."""
    return Plain(body)


SHORTCUTS: Mapping[str, Shortcut] = {"A": option_a, "B": option_b, "C": option_c, "none": plain}


def blocks(
    kind: Block, shortcut: Shortcut, in_channels: int, width: int, repeats: int, stride: int
) -> OrderedDict[str, nn.Module]:
    """Return the blocks of a stage, block1, block2, ...; the first has the stride."""
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    out_channels = width * kind.expansion
    for number in range(1, repeats + 1):
        modules[f"block{number}"] = shortcut(kind.body(in_channels, width, stride), in_channels, out_channels, stride)
        in_channels, stride = out_channels, 1
    return modules


def _body(*convolutions: nn.Sequential) -> nn.Sequential:
    """Put ReLU between convolutions; the last one is rectified after the addition."""
    first, *others = convolutions
    layers = [*first]
    for following in others:
        layers += [nn.ReLU(inplace=True), *following]
    return nn.Sequential(*layers)
