"""Tiles of a network diagram, each with the axis on which arrows enter at the top and leave at the bottom."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from convworks.charts.drawing import Circle, Line, Picture, Polygon, Rectangle, Shape, Text
from convworks.charts.lettering import Number, text_width

Point = tuple[Number, Number]
#: Font sizes of titles and notes, height of a box, space between boxes for an arrow.
TITLE, NOTE, BOX, ARROW = 11.5, 9.5, 22.0, 15.0
HEAD = 4.5
COLOURS = {
    "convolution": "blue",
    "up": "blue",
    "pool": "orange",
    "full": "green",
    "other": "muted",
    "shortcut": "muted",
    "note": "muted",
}


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Shapes within width x height; `axis` is the x position of the arrows that enter and leave.

    A tile that begins with a line (`bare`) needs no arrowhead above it. `foot` is the y position where the outgoing
    arrow starts, 0 for the bottom.
    """

    width: Number
    height: Number
    axis: Number
    shapes: tuple[Shape, ...]
    bare: bool = False
    foot: Number = 0

    def at(self, x: Number, y: Number) -> list[Shape]:
        """Return the shapes with the upper left corner at (x, y)."""
        return [moved(shape, x, y) for shape in self.shapes]


def moved(shape: Shape, x: Number, y: Number) -> Shape:
    """Return a shape translated by (x, y)."""
    match shape:
        case Line() | Polygon():
            return replace(shape, points=tuple((px + x, py + y) for px, py in shape.points))
        case Rectangle() | Circle() | Text() | Picture():
            return replace(shape, x=shape.x + x, y=shape.y + y)


def box(title: str, notes: Sequence[str] = (), *, kind: str, width: Number = 0) -> Tile:
    """Return a coloured box with a title, and notes below it."""
    notes_text = ", ".join(notes)
    box_width = max(width, text_width(title, TITLE) + 18, text_width(notes_text, NOTE) + 16)
    height, colour = BOX + (12 if notes else 0), COLOURS[kind]
    shapes: list[Shape] = [
        Rectangle(x=0, y=0, width=box_width, height=height, fill="paper", radius=4),
        Rectangle(
            x=0,
            y=0,
            width=box_width,
            height=height,
            fill=colour,
            opacity=0.3 if kind == "up" else 0.13,
            stroke=colour,
            radius=4,
        ),
        Text(x=box_width / 2, y=BOX / 2 + 0.5, text=title, size=TITLE, anchor="middle"),
    ]
    if notes:
        shapes.append(Text(x=box_width / 2, y=BOX + 3.5, text=notes_text, size=NOTE, fill="muted", anchor="middle"))
    return Tile(width=box_width, height=height, axis=box_width / 2, shapes=tuple(shapes))


def stack(tiles: Sequence[Tile], *, labels: Sequence[str] = (), upward: bool = False) -> Tile:
    """Stack tiles on one axis, with arrows between; with `upward` the first is at the bottom."""
    if not tiles:
        return Tile(width=0, height=0, axis=0, shapes=())
    left, right = max(t.axis for t in tiles), max(t.width - t.axis for t in tiles)
    shapes: list[Shape] = []
    y: Number = 0
    for number, tile in enumerate(reversed(tiles) if upward else tiles):
        if number:
            segment: list[Point] = [(left, y), (left, y + ARROW)]
            shapes += arrow(segment[::-1] if upward else segment, head=not tile.bare)
            label_text = labels[-number if upward else number - 1] if labels else ""
            if label_text:
                size = NOTE - 0.5
                label = Text(x=left + 7, y=y + ARROW / 2 - 0.5, text=label_text, size=size, fill="muted")
                shapes.append(label)
                right = max(right, 7 + text_width(label_text, size))
            y += ARROW
        shapes += tile.at(left - tile.axis, y)
        y += tile.height
    return Tile(width=left + right, height=y, axis=left, shapes=tuple(shapes), bare=tiles[0].bare and not upward)


def arrow(points: Iterable[Point], *, head: bool = True, dashed: bool = False, radius: Number = 6) -> list[Shape]:
    """Return a line with rounded corners and an arrowhead."""
    path = list(points)
    (x0, y0), (x1, y1) = path[-2:]
    length = math.hypot(x1 - x0, y1 - y0) or 1
    along, across = ((x1 - x0) / length, (y1 - y0) / length), ((y0 - y1) / length, (x1 - x0) / length)
    if head:  # the line ends where the head begins
        path[-1] = (x1 - along[0] * HEAD, y1 - along[1] * HEAD)
    shapes: list[Shape] = [Line(points=tuple(_rounded(path, radius)), stroke="muted", width=1.2, dashed=dashed)]
    if head:
        back = (x1 - along[0] * HEAD * 1.4, y1 - along[1] * HEAD * 1.4)
        wings = [(back[0] + s * across[0] * HEAD * 0.65, back[1] + s * across[1] * HEAD * 0.65) for s in (1, -1)]
        shapes.append(Polygon(points=((x1, y1), wings[0], wings[1]), fill="muted"))
    return shapes


def _rounded(path: Sequence[Point], radius: Number) -> list[Point]:
    """Round the corners with quadratic curves."""
    points = [path[0]]
    for before, corner, after in zip(path, path[1:], path[2:], strict=False):
        legs = [math.hypot(x - corner[0], y - corner[1]) for x, y in (before, after)]
        r = min(radius, legs[0] / 2, legs[1] / 2)
        start, end = (
            (corner[0] + (p[0] - corner[0]) * r / (leg or 1), corner[1] + (p[1] - corner[1]) * r / (leg or 1))
            for p, leg in zip((before, after), legs, strict=True)
        )
        for t in (0, 0.2, 0.4, 0.6, 0.8, 1):
            a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
            points.append(tuple(a * s + b * m + c * e for s, m, e in zip(start, corner, end, strict=True)))  # type: ignore[arg-type]
    points.append(path[-1])
    return [point for point, following in pairwise([*points, (math.inf, math.inf)]) if point != following]
