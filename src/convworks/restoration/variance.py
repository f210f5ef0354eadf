"""The windowed moving variance of the outputs of a fit (Wang et al., Early Stopping for Deep Image Prior, 2023)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from convworks.restoration.rules import WINDOW

#: Pixels of a large image that the variance is estimated from, in a regular grid.
PIXELS = 1 << 14


class MovingVariance:
    """The variance over the last WINDOW outputs, averaged over pixels; running sums make it cheap."""

    def __init__(self, image: Float[Tensor, "1 c h w"]) -> None:
        # Odd: all places in the blocks of a JPEG file, which are 8 pixels wide, take part.
        self.stride = math.ceil(math.sqrt(image.shape[2] * image.shape[3] / PIXELS)) | 1
        values = self._values(image)
        self.outputs = torch.zeros(WINDOW, len(values), device=image.device)
        self.count = 0
        self.sums = torch.zeros(2, len(values), dtype=torch.float64)

    def add(self, image: Float[Tensor, "1 c h w"]) -> float | None:
        """Return the variance after another output; None for fewer than WINDOW."""
        new, row = self._values(image), self.count % WINDOW
        old = self.outputs[row].double().cpu()
        self.outputs[row] = new
        new = new.double().cpu()
        self.sums[0] += new - old
        self.sums[1] += new.square() - old.square()
        self.count += 1
        if self.count < WINDOW:
            return None
        mean, square = self.sums / WINDOW
        return float((square - mean.square()).mean())

    def restore(self, outputs: Float32[Tensor, "w n"], sums: Float64[Tensor, "2 n"], count: int) -> None:
        """Go back to saved outputs and sums, which are not computed anew: that would be rounded differently."""
        self.outputs.copy_(outputs)
        self.sums.copy_(sums)
        self.count = count

    def _values(self, image: Float[Tensor, "1 c h w"]) -> Float32[Tensor, " n"]:
        return image[0, :, :: self.stride, :: self.stride].flatten()
