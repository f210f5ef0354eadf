"""Polylines clipped to a range of y."""

from __future__ import annotations

from collections.abc import Sequence

from convworks.charts.lettering import Number

Point = tuple[Number, Number]


def clipped(points: Sequence[Point], low: Number, high: Number) -> list[tuple[Point, ...]]:
    """Return the segments of a polyline of points (x, y) within low <= y <= high, ending exactly at the boundary."""
    parts: list[list[Point]] = [[]]
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], *points[-1:]], strict=True):
        if low <= y0 <= high:
            parts[-1].append((x0, y0))
        crossings = sorted((edge - y0) / (y1 - y0) for edge in (low, high) if (y0 - edge) * (y1 - edge) < 0)
        for fraction in crossings:
            crossing = (x0 + fraction * (x1 - x0), y0 + fraction * (y1 - y0))
            entering = not low <= y0 <= high and fraction == crossings[0]
            parts += [[crossing]] if entering else []
            if not entering:
                parts[-1].append(crossing)
                parts.append([])
    return [tuple(part) for part in parts if len(part) > 1]
