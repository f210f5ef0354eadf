"""The image sizes that a network without padding can halve without remainder."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from convworks.errors import InputError


class Sides(nn.Module):
    """Accept images with sides `first` + k * `step`, k >= 0; otherwise InputError names the next valid size."""

    def __init__(self, first: int, step: int) -> None:
        super().__init__()
        self.first = first
        self.step = step

    def next(self, side: int) -> int:
        """Return the smallest valid side that is at least `side`."""
        return max(self.first, side + (self.first - side) % self.step)

    def check(self, size: Sequence[int]) -> None:
        """Raise InputError for an invalid size."""
        fitting = tuple(map(self.next, size))
        if fitting != tuple(size):
            actual_text, fitting_text = ("x".join(map(str, sides)) for sides in (size, fitting))
            series = ", ".join(str(self.first + k * self.step) for k in range(3))
            raise InputError(
                "images",
                f"{actual_text} pixels do not fit; valid sides are {series}, ...",
                f"the next is {fitting_text}",
            )

    def forward(self, x: Float[Tensor, "b c *size"]) -> Float[Tensor, "b c *size"]:
        """Check the size and return the images unchanged."""
        self.check(x.shape[2:])
        return x
