"""What is said while a picture is restored."""

from __future__ import annotations

from convworks.console import clock, updating
from convworks.restoration.fit import Row
from convworks.restoration.session import Part


class Progress:
    """A line with the iteration, the rate, the loss or the ratio, the time that may be left, and `where` to look."""

    def __init__(self, name: str, where: str = "") -> None:
        self.name, self.where = name, where
        self.show = updating()

    def __call__(self, row: Row, part: Part, left: float) -> None:
        """Show where a fit stands."""
        numbers = {"tile": part.tile, "sample": part.sample, "run": part.run}
        which = "".join(f", {word} {number + 1}" for word, number in numbers.items() if number)
        rate = row.iteration / max(row.seconds, 1e-3)
        quality = f"{row.psnr:.2f} dB" if row.psnr is not None else f"loss {row.loss:.3g}"
        self.show(
            f"{self.name}{which}: iteration {row.iteration:,}, {rate:.1f} iterations/s, {quality}, "
            f"at most {clock(max(0.0, left))} left{self.where}"
        )

    def end(self) -> None:
        """End the line."""
        self.show("")
