"""A drawing is a list of shapes in a few named colours; svg.py renders it for the page, raster.py for a file.

matplotlib takes 0.7 s to import and as long again to draw; these two renderers take milliseconds, and the SVG follows
the dark mode of its page, because its colours are CSS variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from convworks.charts.lettering import Number

#: The light palette; report.css names the same colours, and their dark twins, as CSS variables.
#: Blue is correct (and validation), orange is wrong: distinguishable with every common colour blindness.
PALETTE = {
    "paper": "#ffffff",
    "ink": "#1c2430",
    "muted": "#647083",
    "grid": "#e3e8ee",
    "blue": "#1f6fb2",
    "orange": "#d45f00",
    "green": "#2e8555",
    "inverse": "#ffffff",
    "violet": "#7b4bb8",
    "teal": "#0c8a94",
    "rose": "#c23a78",
    "ochre": "#a67c00",
    "brown": "#86583a",
}


@dataclass(frozen=True, kw_only=True)
class Rectangle:
    """A filled rectangle; `title` is its tooltip.

    `opacity` applies to the fill only; `stroke` is the colour of the outline, `radius` rounds the corners.
    """

    x: Number
    y: Number
    width: Number
    height: Number
    fill: str
    opacity: Number = 1.0
    title: str = ""
    stroke: str = ""
    radius: Number = 0.0


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line through points."""

    points: tuple[tuple[Number, Number], ...]
    stroke: str
    width: Number = 1.0
    dashed: bool = False
    opacity: Number = 1.0


@dataclass(frozen=True, kw_only=True)
class Circle:
    """A filled disc with a ring in the background colour, so that it stands out on a line."""

    x: Number
    y: Number
    radius: Number
    fill: str


@dataclass(frozen=True, kw_only=True)
class Polygon:
    """A filled polygon: the head of an arrow."""

    points: tuple[tuple[Number, Number], ...]
    fill: str


@dataclass(frozen=True, kw_only=True)
class Text:
    """Text centred vertically on y; `anchor` is start, middle or end; `turn` in degrees, counter-clockwise.

    The PNG shows `fallback` if the fonts lack a glyph of `text`.
    """

    x: Number
    y: Number
    text: str
    size: Number = 12.0
    fill: str = "ink"
    anchor: str = "start"
    bold: bool = False
    turn: Number = 0.0
    fallback: str = ""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An RGBA image, scaled without interpolation."""

    x: Number
    y: Number
    width: Number
    height: Number
    pixels: UInt8[np.ndarray, "h w 4"]


Shape = Rectangle | Line | Circle | Polygon | Text | Picture


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Shapes on a canvas of width x height points; `label` is the text alternative for screen readers."""

    width: Number
    height: Number
    label: str
    shapes: tuple[Shape, ...]


def remark(x: Number, y: Number, text: str, anchor: str = "middle", size: Number = 10.5) -> Text:
    """Return small muted text, for labels of axes and keys."""
    return Text(x=x, y=y, text=text, size=size, fill="muted", anchor=anchor)


def row(drawings: Sequence[Drawing], gap: Number, label: str) -> Drawing:
    """Return drawings side by side, as one."""
    shapes: list[Shape] = []
    left: Number = 0.0
    for drawing in drawings:
        shapes += [_shifted(shape, left) for shape in drawing.shapes]
        left += drawing.width + gap
    height = max(drawing.height for drawing in drawings)
    return Drawing(width=left - gap, height=height, label=label, shapes=tuple(shapes))


def _shifted(shape: Shape, across: Number) -> Shape:
    match shape:
        case Line():
            return replace(shape, points=tuple((x + across, y) for x, y in shape.points))
        case Polygon():
            return replace(shape, points=tuple((x + across, y) for x, y in shape.points))
        case _:
            return replace(shape, x=shape.x + across)
