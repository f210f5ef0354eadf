"""Lines cut where they leave a range."""

from __future__ import annotations

from collections.abc import Sequence

from convworks.charts.lettering import Number

Point = tuple[Number, Number]


def clipped(points: Sequence[Point], low: Number, high: Number) -> list[tuple[Point, ...]]:
    """Return the parts of a line of points (x, y) whose y lies within low..high, each ending where it crosses."""
    parts: list[list[Point]] = [[]]
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], *points[-1:]], strict=True):
        if low <= y0 <= high:
            parts[-1].append((x0, y0))
        crossings = sorted((edge - y0) / (y1 - y0) for edge in (low, high) if (y0 - edge) * (y1 - edge) < 0)
        for share in crossings:
            at = (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
            entering = not low <= y0 <= high and share == crossings[0]
            parts += [[at]] if entering else []
            if not entering:
                parts[-1].append(at)
                parts.append([])
    return [tuple(part) for part in parts if len(part) > 1]
