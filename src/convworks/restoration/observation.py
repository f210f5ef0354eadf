"""What is known of a picture: the pixels that were observed, and how they follow from the picture that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor

from convworks.data.random import generator
from convworks.restoration.rules import FRACTION

#: The stream of random numbers that chooses pixels to hold out (see data/random.py).
HOLD = 25
LOBES = 2  # of the Lanczos window


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Observed values 0..1, which of them are known, and the operator from a restored picture of `size` to them.

    If `composed`, a restored picture has the known values themselves.
    """

    values: Float32[Tensor, "1 c h w"]
    known: Bool[Tensor, "1 1 h w"]
    size: tuple[int, int]
    operator: Callable[[Tensor], Tensor]
    composed: bool = False

    def finish(self, image: Float[Tensor, "1 c h2 w2"]) -> Float[Tensor, "1 c h2 w2"]:
        """Return the restored picture that an output of the network stands for."""
        return torch.where(self.known, self.values, image) if self.composed else image

    def to(self, device: torch.device) -> Observation:
        """Return the same on a device."""
        return replace(self, values=self.values.to(device), known=self.known.to(device))


def observe(
    pixels: UInt8[np.ndarray, "h w c"],
    known: Bool[np.ndarray, "h w"] | None = None,
    *,
    scale: int = 1,
    composed: bool = False,
) -> Observation:
    """Return the observation that a picture is: of itself, or of one that is `scale` times as large on each side."""
    height, width = pixels.shape[:2]
    mask = np.ones((height, width), dtype=bool) if known is None else known
    return Observation(
        values=as_tensor(pixels),
        known=torch.from_numpy(mask)[None, None],
        size=(height * scale, width * scale),
        operator=(lambda image: image) if scale == 1 else downsampling(height, width, scale),
        composed=composed,
    )


def downsampling(height: int, width: int, scale: int) -> Callable[[Tensor], Tensor]:
    """Return the operator that reduces a picture to height x width with the Lanczos window of the paper (section 3.2).

    Rows and columns are reduced one after the other, by a matrix each.
    """
    rows, columns = lanczos(height, scale), lanczos(width, scale)
    return lambda image: rows.to(image) @ image @ columns.to(image).T


def lanczos(size: int, scale: int) -> Float32[Tensor, "n m"]:
    """Return the matrix that reduces a line of size x scale pixels to `size`; the weights of each add up to 1."""
    centres = (np.arange(size)[:, None] + 0.5) * scale - 0.5
    distance = (np.arange(size * scale)[None] - centres) / scale
    weights = np.where(np.abs(distance) < LOBES, np.sinc(distance) * np.sinc(distance / LOBES), 0.0)
    return torch.from_numpy((weights / weights.sum(1, keepdims=True)).astype(np.float32))


def held_out(known: Bool[Tensor, "1 1 h w"], seed: int, fraction: float = FRACTION) -> Int64[Tensor, " n"]:
    """Return the positions of some known pixels, in the order of rows; at least one, but never all of them."""
    positions = np.flatnonzero(known.cpu().numpy())
    count = min(max(1, round(fraction * len(positions))), len(positions) - 1)
    return torch.from_numpy(np.sort(generator(seed, HOLD).permutation(positions)[:count]).astype(np.int64))


def coarse(observation: Observation, weight: Float32[Tensor, "1 1 h w"], block: int) -> Float32[Tensor, "1 c h2 w2"]:
    """Return a restored picture without details: the means of blocks of about block x block pixels of it, enlarged.

    Pixels of weight 0 do not count; a block where none counts has the mean of all that do.
    """
    height, width = observation.size
    blocks = (-(-height // block), -(-width // block))
    values = observation.values * weight
    counts, sums = (F.adaptive_avg_pool2d(each, blocks) for each in (weight, values))
    mean = values.sum((2, 3), keepdim=True) / weight.sum()
    means = torch.where(counts > 0, sums / counts.clamp(min=1 / weight.numel()), mean)
    return F.interpolate(means, observation.size, mode="bicubic", align_corners=False)


def as_tensor(pixels: UInt8[np.ndarray, "h w c"]) -> Float32[Tensor, "1 c h w"]:
    """Return pixels as values 0..1."""
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].float() / 255  # the array may not be writable


def as_pixels(image: Float[Tensor, "1 c h w"]) -> UInt8[np.ndarray, "h w c"]:
    """Return values 0..1 as pixels, rounded."""
    rounded = (image[0].detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    pixels: np.ndarray = rounded.permute(1, 2, 0).cpu().numpy()
    return pixels
