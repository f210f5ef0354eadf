"""Contour lines of a grid of values, by marching squares."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

Point = tuple[float, float]
#: For each case of corners above the level (bits: top left, top right, bottom right, bottom left), the edges that a
#: line joins (0 top, 1 right, 2 bottom, 3 left). The two saddles are cut as if the middle were below.
CASES: tuple[tuple[tuple[int, int], ...], ...] = (
    (), ((3, 0),), ((0, 1),), ((3, 1),), ((1, 2),), ((3, 0), (1, 2)), ((0, 2),), ((3, 2),),
    ((2, 3),), ((0, 2),), ((0, 1), (2, 3)), ((1, 2),), ((1, 3),), ((0, 1),), ((0, 3),), (),
)  # fmt: skip


def contour(values: Float[np.ndarray, "h w"], level: float) -> Iterator[tuple[Point, Point]]:
    """Yield the segments (column, row) where the bilinear surface through a grid is at a level.

    Cells with a corner that is not finite have none.
    """
    above = values >= level
    cases = above[:-1, :-1] * 1 + above[:-1, 1:] * 2 + above[1:, 1:] * 4 + above[1:, :-1] * 8
    finite = np.isfinite(values)
    known = finite[:-1, :-1] & finite[:-1, 1:] & finite[1:, 1:] & finite[1:, :-1]
    for row, column in np.argwhere((cases > 0) & (cases < 15) & known).tolist():
        a, b, c, d = (float(values[row + y, column + x]) for y, x in ((0, 0), (0, 1), (1, 1), (1, 0)))
        for edges in CASES[int(cases[row, column])]:
            first, second = (_crossing(edge, (a, b, c, d), level) for edge in edges)
            yield (column + first[0], row + first[1]), (column + second[0], row + second[1])


def _crossing(edge: int, corners: tuple[float, float, float, float], level: float) -> Point:
    """Return where a level crosses an edge of the unit square."""
    low, high = corners[edge], corners[(edge + 1) % 4]
    fraction = (level - low) / ((high - low) or 1.0)
    return ((fraction, 0.0), (1.0, fraction), (1 - fraction, 1.0), (0.0, 1 - fraction))[edge]
