"""The loss along one direction, or in a plane with the path of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from convworks.charts.axes import Panel, linear_ticks, number
from convworks.charts.contours import contour
from convworks.charts.drawing import PALETTE, Circle, Drawing, Line, Picture, Shape, Text, remark, row
from convworks.charts.lettering import room

SIDE, HIGH, GAP = 400.0, 260.0, 32.0
LEFT, TOP, BELOW = 56.0, 76.0, 44.0
NOTE, KEY = 33.0, 53.0  # lines below the title
LEVELS, FAINTEST, STRONGEST = 12, 0.04, 0.9
ALONG = "along the direction, in lengths of the filters"
DECADE = 12  # a range of losses that gets a logarithmic axis


@dataclass(frozen=True, kw_only=True)
class Path:
    """The path of a run in the plane, with its loss at each step and that of its projection."""

    steps: Sequence[int]
    positions: Float64[np.ndarray, "t 2"]
    true: Sequence[float]
    projected: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A named line of a plot."""

    name: str
    colour: str
    y: Sequence[float]
    dashed: bool = False


def profile(
    x: Sequence[float],
    loss: Float[np.ndarray, " n"],
    score: Float[np.ndarray, " n"],
    *,
    title: str,
    note: str,
    name: str,
) -> Drawing:
    """Draw loss and metric along a direction; `note` is a line below the title."""
    plots = [
        plot(x, [Curve(name="loss", colour="blue", y=loss.tolist())], title=title, note=note, across=ALONG),
        plot(x, [Curve(name=name, colour="violet", y=score.tolist())], title="", across=ALONG),
    ]
    return row(plots, GAP, title)


def surface(
    x: Sequence[float],
    y: Sequence[float],
    loss: Float[np.ndarray, "h w"],
    *,
    title: str,
    note: str,
    axes: tuple[str, str],
    path: Path | None = None,
) -> Drawing:
    """Draw the loss in a plane, bluer where it is higher, on a logarithmic scale with contour lines.

    `note` is a line below the title.
    Losses of 0 and less have the colour of the smallest above 0; grey are those that are not finite. With a path, the
    losses along it are drawn beside the plane.
    """
    panel = Panel(left=LEFT, top=TOP, width=SIDE, height=SIDE, x=(x[0], x[-1]), y=(y[0], y[-1]))
    finite = np.where(np.isfinite(loss), loss, np.nan)
    positive = loss[finite > 0]
    least = float(positive.min()) if len(positive) else 1.0
    values = np.log10(np.maximum(finite, least))
    low, high = math.log10(least), math.log10(float(positive.max())) if len(positive) else 0.0
    known = loss[np.isfinite(loss)]
    extent = f"loss from {known.min():.3g} to {known.max():.3g}" if len(known) else "no finite loss"
    shapes: list[Shape] = [
        Text(x=0, y=10, text=title, size=15, bold=True),
        remark(0, NOTE, note, "start", size=11),
        remark(0, KEY, f"{extent}, bluer where it is higher, logarithmic scale; lines at equal ratios", "start"),
        Picture(x=LEFT, y=TOP, width=SIDE, height=SIDE, pixels=_pixels(values[::-1], low, high)),
    ]
    # The middle of a pixel is its point: a grid of n points has n - 1 steps between the middles.
    height, width = values.shape
    inset = (SIDE / width / 2, SIDE / height / 2)
    inner = Panel(
        left=LEFT + inset[0],
        top=TOP + inset[1],
        width=SIDE - 2 * inset[0],
        height=SIDE - 2 * inset[1],
        x=panel.x,
        y=panel.y,
    )
    for level in np.linspace(low, high, LEVELS + 2)[1:-1].tolist():
        for ends in contour(values, level):
            shapes.append(Line(points=tuple(_on(inner, end, values.shape) for end in ends), stroke="ink", opacity=0.8))
    shapes += [remark(inner.across(tick), TOP + SIDE + 12, number(tick)) for tick in linear_ticks(*panel.x)]
    shapes += [remark(LEFT - 7, inner.up(tick), number(tick), "end") for tick in linear_ticks(*panel.y)]
    shapes.append(remark(LEFT + SIDE / 2, TOP + SIDE + 30, axes[0], size=11))
    shapes.append(Text(x=8, y=TOP + SIDE / 2, text=axes[1], size=11, fill="muted", anchor="middle", turn=90))
    if path is not None:
        points = tuple((inner.across(a), inner.up(b)) for a, b in path.positions.tolist())
        shapes.append(Line(points=points, stroke="orange", width=2.2))
        shapes += [Circle(x=a, y=b, radius=3.6, fill="orange") for a, b in points]
        for (a, b), step in ((points[0], path.steps[0]), (points[-1], path.steps[-1])):
            shapes.append(_beside(a, b, f"step {step:,}"))
    drawing = Drawing(width=LEFT + SIDE + 8, height=TOP + SIDE + BELOW, label=title, shapes=tuple(shapes))
    if path is None:
        return drawing
    curves = [
        Curve(name="at the checkpoint", colour="orange", y=path.true),
        Curve(name="projected onto the plane", colour="blue", y=path.projected, dashed=True),
    ]
    return row(
        [drawing, plot([float(step) for step in path.steps], curves, title="Loss along the path", across="step")],
        GAP,
        title,
    )


def plot(x: Sequence[float], curves: Sequence[Curve], *, title: str, across: str, note: str = "") -> Drawing:
    """Draw lines over x; values that are not finite are left out."""
    lines = [[(a, b) for a, b in zip(x, curve.y, strict=True) if np.isfinite(b)] for curve in curves]
    heights = [b for line in lines for _, b in line] or [0.0]
    low, high = min(heights), max(heights)
    log = low > 0 and high / low > DECADE
    margin = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
    ends = (low / 1.15, high * 1.15) if log else (low - margin, high + margin)
    span = (x[0], x[-1]) if x[-1] > x[0] else (x[0] - 0.5, x[0] + 0.5)
    panel = Panel(left=LEFT, top=TOP, width=SIDE, height=HIGH, x=span, y=ends, log=log)
    shapes: list[Shape] = [Text(x=0, y=10, text=title, size=15, bold=True)] if title else []
    shapes += [remark(0, NOTE, note, "start", size=11)] if note else []
    shapes += panel.axes(x_ticks=linear_ticks(*panel.x))
    shapes.append(remark(LEFT + SIDE / 2, TOP + HIGH + 30, across, size=11))
    for index, (curve, line) in enumerate(zip(curves, lines, strict=True)):
        points = tuple((panel.across(a), panel.up(b)) for a, b in line)
        if len(points) > 1:
            shapes.append(Line(points=points, stroke=curve.colour, width=2.2, dashed=curve.dashed))
        left = LEFT + 170.0 * index
        shapes.append(Line(points=((left, KEY), (left + 16, KEY)), stroke=curve.colour, width=2.2, dashed=curve.dashed))
        shapes.append(remark(left + 22, KEY, curve.name, "start", size=11))
    return Drawing(width=LEFT + SIDE + 8, height=TOP + HIGH + BELOW, label=title or across, shapes=tuple(shapes))


def _beside(x: float, y: float, text: str) -> Text:
    """Return text to the right of a point, or to its left where that would leave the plane."""
    inside = x + 8 + room(text, 11) < LEFT + SIDE
    return Text(x=x + 8 if inside else x - 8, y=y, text=text, size=11, anchor="start" if inside else "end")


def _on(panel: Panel, point: tuple[float, float], shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the position of a point of the grid (column, row)."""
    height, width = shape
    column, line = point[0] / max(1, width - 1), point[1] / max(1, height - 1)
    return panel.left + panel.width * column, panel.top + panel.height * (1 - line)


def _pixels(values: Float[np.ndarray, "h w"], low: float, high: float) -> np.ndarray:
    """Return values as blue of different opacity; where the loss is not finite, they are grey."""
    fraction = (np.nan_to_num(values, nan=high) - low) / ((high - low) or 1.0)
    pixels = np.empty((*values.shape, 4), np.uint8)
    known = np.isfinite(values)
    for colour, mask in (("blue", known), ("muted", ~known)):
        pixels[mask, :3] = list(bytes.fromhex(PALETTE[colour][1:]))
    pixels[..., 3] = (255 * (FAINTEST + (STRONGEST - FAINTEST) * fraction)).round()
    return pixels
