"""The sizes that a network without padding can halve without a rest."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from convworks.errors import InputError


class Sides(nn.Module):
    """Lets images through whose sides are `first` + k * `step` with k >= 0; InputError names the next that fit."""

    def __init__(self, first: int, step: int) -> None:
        super().__init__()
        self.first = first
        self.step = step

    def next(self, side: int) -> int:
        """Return the smallest side that fits and is not smaller than `side`."""
        return max(self.first, side + (self.first - side) % self.step)

    def check(self, size: Sequence[int]) -> None:
        """Raise InputError for a size that does not fit."""
        fitting = tuple(map(self.next, size))
        if fitting != tuple(size):
            given, wanted = ("x".join(map(str, sides)) for sides in (size, fitting))
            series = ", ".join(str(self.first + k * self.step) for k in range(3))
            raise InputError("images", f"{given} pixels do not fit, sides are {series}, ...", f"the next is {wanted}")

    def forward(self, x: Float[Tensor, "b c *size"]) -> Float[Tensor, "b c *size"]:
        """Check the size, pass the images on."""
        self.check(x.shape[2:])
        return x
