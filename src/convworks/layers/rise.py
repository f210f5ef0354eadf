"""Maps brought to the size of finer ones, on the way up of networks that score every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def raised(x: Float[Tensor, "b c h w"], size: Sequence[int], factor: int, mode: str) -> Float[Tensor, "b c h2 w2"]:
    """Interpolate a map by a whole factor and cut off what is beyond `size`, at its end.

    This undoes `factor` for a map whose sides were rounded up when they were divided. A map that is too small for it,
    as without padding, is interpolated to `size`.
    """
    sides = x.shape[2:]
    if all(side * factor >= target for side, target in zip(sides, size, strict=True)):
        larger = x if factor == 1 else F.interpolate(x, scale_factor=float(factor), mode=mode)
        return larger[:, :, : size[0], : size[1]]
    return F.interpolate(x, size=tuple(size), mode=mode)


class RiseTo(nn.Module):
    """Repeat the values of a map (nearest neighbour) to the size of a finer one, then compute `body`."""

    def __init__(self, body: nn.Module, factor: int) -> None:
        super().__init__()
        self.body = body
        self.factor = factor

    def forward(self, x: Float[Tensor, "b c h w"], finer: Float[Tensor, "b d h2 w2"]) -> Float[Tensor, "b e h2 w2"]:
        """Compute the body of the risen map."""
        output: Tensor = self.body(raised(x, finer.shape[2:], self.factor, "nearest"))
        return output


class RiseBeside(nn.Module):
    """Repeat the values of a map to the size of a finer one, put the finer one before it, then compute `body`."""

    def __init__(self, body: nn.Module, factor: int) -> None:
        super().__init__()
        self.body = body
        self.factor = factor

    def forward(self, x: Float[Tensor, "b c h w"], finer: Float[Tensor, "b d h2 w2"]) -> Float[Tensor, "b e h2 w2"]:
        """Compute the body of both maps."""
        risen = raised(x, finer.shape[2:], self.factor, "nearest")
        if self.training and risen.requires_grad:
            risen.register_hook(_dense)  # type: ignore[no-untyped-call]
        output: Tensor = self.body(torch.cat([finer, risen], 1))
        return output


def _dense(gradient: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Return a part of the gradient of both maps in memory of its own, without which interpolation takes five times."""
    channels_last = gradient.stride(1) == 1
    return gradient.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


class Fuse(nn.Module):
    """Twice the size of a map of scores, by an up-convolution that starts as bilinear, plus scores of a finer map.

    Both are learnt (Long et al. 2015, section 4.2).
    """

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(classes, classes, 4, stride=2, padding=1, bias=False)
        self.score = nn.Conv2d(channels, classes, 1)
        with torch.no_grad():
            bilinear(self.up.weight)

    def forward(self, x: Float[Tensor, "b k h w"], finer: Float[Tensor, "b c h2 w2"]) -> Float[Tensor, "b k h2 w2"]:
        """Add the scores of both maps."""
        height, width = finer.shape[2:]
        scores: Tensor = self.score(finer)
        return scores + raised(self.up(x), (height, width), 1, "bilinear")


class Enlarge(nn.Module):
    """Bilinear interpolation of a map by its stride, to the size of the images; nothing is learnt."""

    mode = "bilinear"

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Float[Tensor, "b k h w"], images: Float[Tensor, "b c h2 w2"]) -> Float[Tensor, "b k h2 w2"]:
        """Interpolate."""
        return raised(x, images.shape[2:], self.stride, self.mode)


def bilinear(weight: Float[Tensor, "k k 4 4"]) -> None:
    """Set the weights of an up-convolution with stride 2 to bilinear interpolation of each channel by itself."""
    ramp = weight.new_tensor([0.25, 0.75, 0.75, 0.25])
    weight.zero_()
    for channel in range(len(weight)):
        weight[channel, channel] = ramp[:, None] * ramp
