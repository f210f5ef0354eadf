"""How much of a picture the budget allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

from convworks.errors import InputError
from convworks.restoration.computation import Computation, seconds_per_pixel, smallest_side
from convworks.restoration.material import Material
from convworks.restoration.request import Request
from convworks.restoration.tiles import Tile, divide, incomplete

USABLE = 0.9  # of the budget, for iterations
LEAST = 64  # pixels of the side of the smallest picture that a budget must allow, if the picture is not smaller
RESERVE = 1.0  # seconds for writing
SLOWER = 1.25  # times as long as now may reading, timing and an iteration take when the command is given again
STEP = 0.98  # at most: by how much a picture is reduced until it fits the budget; tiles do not shrink evenly


@dataclass(kw_only=True)
class Budget:
    """The seconds for a picture; `used` are those of earlier processes, `reserve` those for writing at the end."""

    seconds: float
    used: float = 0.0
    reserve: float = RESERVE
    started: float = field(default_factory=monotonic)

    @property
    def spent(self) -> float:
        """Seconds since the restoration of this picture began."""
        return self.used + monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds that are left for iterations."""
        return self.seconds - self.spent - min(self.reserve, self.seconds / 10)


def plan(material: Material, request: Request, computation: Computation, budget: Budget) -> tuple[int, int]:
    """Return the size at which a picture is restored, in pixels of the observation: its own, or a smaller one.

    Raises InputError for a picture that is too small, and for a budget too small to start.
    """
    name, size, scale = material.name, material.size, request.factor
    smallest = -(-smallest_side(computation) // scale)
    if min(size) < smallest:
        reason = f"has {_by(size)} pixels, but {request.network} needs at least {_by((smallest, smallest))}"
        raise InputError(name, reason, "give a larger image, or a network with fewer scales: --model prior_hole2")
    tile = divide(size, scale)[0].scaled(scale)
    limit = request.limit or request.table.iterations
    enough = min(request.table.enough, limit)
    cost = enough * request.samples * seconds_per_pixel(computation, request.fitting, (tile.height, tile.width))
    affordable = USABLE * budget.left / cost
    pixels = fitted_pixels(material, size, scale)
    # An image that is reduced to be enlarged has less in it than bicubic interpolation of the whole. A narrow one is
    # reduced only as far as its proportions allow.
    narrowest = math.ceil(pixels * (smallest / min(size)) ** 2)
    least = pixels if scale > 1 else min(pixels, max(LEAST**2, narrowest))
    if affordable < least:
        spent, seconds = budget.spent, cost * least / USABLE
        reason = (
            f"is too little: {enough} iterations of {least:,} pixels take about {math.ceil(seconds)} s here "
            f"after {math.ceil(spent)} s of reading and timing"
        )
        # Rounded up to a hundredth of a minute: rounded down, it would be too little again.
        remedy = f"give at least --minutes {math.ceil((SLOWER * (spent + seconds) + RESERVE) / 0.6) / 100:.2f}"
        part = ", or a part of the image" if scale > 1 else ""
        raise InputError(f"--minutes {request.minutes:g}", reason, remedy + part)
    planned, shrink = size, 1.0
    while (pixels := fitted_pixels(material, planned, scale)) > affordable:
        shrink *= min(STEP, math.sqrt(affordable / pixels))
        height, width = (min(length, max(smallest, int(length * shrink))) for length in size)
        planned = (height, width)
    return planned


def fitted_pixels(material: Material, size: tuple[int, int], scale: int) -> int:
    """Return how many restored pixels networks are fitted to: those of all tiles with something to restore."""
    tile, *others = divide(size, scale)
    count = len(incomplete([tile, *others], size, material.known))
    return count * tile.height * tile.width * scale**2


def fitted_tiles(material: Material, tiles: Sequence[Tile], request: Request) -> list[int]:
    """Return the numbers of the tiles of a planned picture with something to restore.

    Raises InputError if there are none, or if nothing is known of one.
    """
    numbers = incomplete(tiles, material.size, material.known)
    if not numbers:
        reason = (
            f"has no missing pixel at {_by(material.size)} pixels, and --minutes {request.minutes:g} allows no more"
        )
        raise InputError(material.name, reason, "give more --minutes, or a part of it")
    for tile in (tiles[number] for number in numbers):
        if material.known is not None and not material.known[tile.rows, tile.columns].any():
            reason = f"has no known pixel in a tile of {_by((tile.height, tile.width))} pixels"
            raise InputError(material.name, f"{reason} from {tile.left}, {tile.top}", "crop it, or scale it down")
    return numbers


def _by(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
