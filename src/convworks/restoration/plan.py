"""How much of a picture the budget allows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from time import monotonic

from convworks.errors import InputError
from convworks.restoration.computation import Computation, seconds_per_pixel, smallest_side
from convworks.restoration.request import Request

USABLE = 0.9  # of the budget, for iterations
LEAST = 64  # pixels of the side of the smallest picture that a budget must allow, if the picture is not smaller
RESERVE = 1.0  # seconds for writing


@dataclass(kw_only=True)
class Budget:
    """The seconds for a picture; `used` are those of earlier processes."""

    seconds: float
    used: float = 0.0
    started: float = field(default_factory=monotonic)

    @property
    def spent(self) -> float:
        """Seconds since the restoration of this picture began."""
        return self.used + monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds that are left for iterations."""
        return self.seconds - self.spent - min(RESERVE, self.seconds / 10)


def plan(
    name: str, size: tuple[int, int], request: Request, computation: Computation, budget: Budget
) -> tuple[int, int]:
    """Return the size at which a picture is restored, in pixels of the observation: its own, or a smaller one.

    Raises InputError for a picture that is too small, and for a budget too small to start.
    """
    scale = request.factor
    smallest = smallest_side(computation)
    if min(size) * scale < smallest:
        reason = f"has {size[1]}x{size[0]} pixels, but {request.network} needs at least {_text(smallest, scale)}"
        raise InputError(name, reason, "give a larger image, or a network with fewer scales: --model prior_hole2")
    restored = (size[0] * scale, size[1] * scale)
    cost = seconds_per_pixel(computation, request.fitting, restored)
    pixels, usable = restored[0] * restored[1], USABLE * budget.left / request.samples
    limit = request.limit or request.table.iterations
    enough = min(request.table.enough, limit)
    affordable = usable / (cost * enough)
    least = min(pixels, max(LEAST, smallest) ** 2)
    if affordable < least:
        seconds = cost * enough * least * request.samples / USABLE + RESERVE
        reason = f"is too little: {enough} iterations of {least:,} pixels take about {math.ceil(seconds)} s here"
        remedy = f"give at least --minutes {math.ceil(budget.spent + seconds) / 60:.2f}"
        raise InputError(f"--minutes {request.minutes:g}", reason, remedy)
    if affordable >= pixels:
        return size
    shrink = math.sqrt(affordable / pixels)
    if scale > 1 and scale * shrink <= 1:
        minutes = math.ceil(request.minutes * pixels / affordable)
        reason = f"has {size[1]}x{size[0]} pixels: {request.minutes:g} minutes are not enough to enlarge it"
        raise InputError(name, reason, f"give a part of it, or about --minutes {minutes}")
    least_side = -(-smallest // scale)
    return _at_least(size, shrink, least_side)


def _at_least(size: tuple[int, int], shrink: float, side: int) -> tuple[int, int]:
    height, width = (min(length, max(side, int(length * shrink))) for length in size)
    return height, width


def _text(smallest: int, scale: int) -> str:
    side = -(-smallest // scale)
    return f"{side}x{side}"
