"""Parts of a network outline as tiles: rows, side-by-side branches, shortcuts as arcs, repeats with a bracket."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from convworks.charts.drawing import Line, Rectangle, Shape, Text
from convworks.charts.lettering import Number, text_width
from convworks.charts.network.tiles import ARROW, NOTE, Tile, arrow, box, stack
from convworks.models.analysis.outline import Chain, Fork, Part, Repeat
from convworks.models.analysis.steps import Step

#: Gap between branches, gap between a body and its shortcut, radius of the sum symbol.
GAP, SHORTCUT, SUM = 12.0, 16.0, 7.5
#: Minimum width of boxes in a row, and in branches.
WIDE, NARROW = 150.0, 84.0


def size_text(shape: Sequence[int]) -> str:
    """Write the shape of an output as 64x56x56."""
    return "x".join(map(str, shape))


def tile(part: Part, width: Number = WIDE) -> Tile:
    """Return a part as a tile whose boxes have at least this width."""
    match part:
        case Step():
            return box(part.title, part.notes, kind=part.kind, width=width)
        case Chain():
            return row(part.parts, width)
        case Repeat():
            return _repeat(part, width)
        case Fork():
            bodies = [branch for branch in part.branches if branch.parts]
            straight = part.join == "sum" and len(part.branches) == 2 and bool(bodies)
            return _shortcut(part, width) if straight else _branches(part)


def row(parts: Sequence[Part], width: Number = WIDE, *, sizes: bool = False, upward: bool = False) -> Tile:
    """Return parts in sequence, all boxes as wide as the widest; `sizes` labels changes of the map size."""
    tiles = [tile(part, width) for part in parts]
    widest = max((t.width for t, part in zip(tiles, parts, strict=True) if isinstance(part, Step)), default=width)
    if widest > width:
        tiles = [tile(part, widest) if isinstance(part, Step) else t for t, part in zip(tiles, parts, strict=True)]
    shapes = [shape_of(part) for part in parts]
    labels = [size_text(a) if sizes and a[1:] != b[1:] and len(a) == len(b) > 1 else "" for a, b in pairwise(shapes)]
    return stack(tiles, labels=labels, upward=upward)


def shape_of(part: Part) -> tuple[int, ...]:
    """Return the output shape of a part; () for an empty row."""
    match part:
        case Repeat():
            return shape_of(part.part)
        case Chain():
            return shape_of(part.parts[-1]) if part.parts else ()
        case _:
            return part.output


def _repeat(part: Repeat, width: Number) -> Tile:
    inner, times = tile(part.part, width), f"x {part.times}"
    x, top, bottom = inner.width + 6, 2.0, inner.height - 2.0
    bracket = Line(points=((x, top), (x + 5, top), (x + 5, bottom), (x, bottom)), stroke="ink", width=1.2)
    label = Text(x=x + 10, y=inner.height / 2, text=times, size=14, bold=True)
    total_width = x + 12 + text_width(times, 14)
    return Tile(
        width=total_width, height=inner.height, axis=inner.axis, shapes=(*inner.shapes, bracket, label), bare=inner.bare
    )


def _shortcut(fork: Fork, width: Number) -> Tile:
    """Draw a body, its shortcut as an arc on the right, and the sum as a circle below."""
    body, other = sorted(fork.branches, key=lambda branch: -_length(branch))
    inner = row(body.parts, width)
    top, axis = 9.0, inner.axis
    bottom = top + inner.height + ARROW + SUM
    shapes: list[Shape] = [Line(points=((axis, 0), (axis, top)), stroke="muted", width=1.2)]
    shapes += inner.at(0, top)
    shapes += arrow([(axis, top + inner.height), (axis, bottom - SUM)])
    shortcut_step = other.parts[0] if len(other.parts) == 1 and isinstance(other.parts[0], Step) else None
    if shortcut_step is not None and shortcut_step.kind == "shortcut":
        shortcut_tile = Tile(width=0, height=0, axis=0, shapes=())
    else:
        shortcut_tile = row(other.parts, NARROW)
    left = inner.width + SHORTCUT
    x = left + shortcut_tile.axis
    middle = (top + bottom - shortcut_tile.height) / 2
    if shortcut_tile.height:
        shapes += arrow([(axis, 4), (x, 4), (x, middle)])
        shapes += shortcut_tile.at(left, middle)
        shapes += arrow([(x, middle + shortcut_tile.height), (x, bottom), (axis + SUM, bottom)])
    else:
        shapes += arrow(
            [(axis, 4), (x, 4), (x, bottom), (axis + SUM, bottom)], dashed=shortcut_step is not None, radius=14
        )
    total_width = left + shortcut_tile.width
    if shortcut_step is not None and shortcut_step.kind == "shortcut":
        shapes.append(Text(x=x + 7, y=(top + bottom) / 2, text=shortcut_step.title, size=NOTE, fill="muted"))
        total_width = x + 7 + text_width(shortcut_step.title, NOTE)
    shapes += plus(axis, bottom)
    if fork.notes:
        notes_text = ", ".join(fork.notes)
        shapes.append(Text(x=axis - SUM - 5, y=bottom, text=notes_text, size=NOTE, fill="muted", anchor="end"))
    return Tile(width=max(total_width, inner.width), height=bottom + SUM, axis=axis, shapes=tuple(shapes), bare=True)


def plus(x: Number, y: Number) -> list[Shape]:
    """Return a circle with a plus sign."""
    r = SUM
    ring = Rectangle(x=x - r, y=y - r, width=2 * r, height=2 * r, fill="paper", stroke="ink", radius=r)
    strokes = [((x - 4, y), (x + 4, y)), ((x, y - 4), (x, y + 4))]
    return [ring, *(Line(points=ends, stroke="ink", width=1.3) for ends in strokes)]


def _branches(fork: Fork) -> Tile:
    """Draw branches side by side, between a dividing line and a joining bar."""
    tiles = [row(branch.parts, NARROW) for branch in fork.branches]
    tiles = [t if t.shapes else Tile(width=24, height=0, axis=12, shapes=()) for t in tiles]
    top, tallest = 8.0, max(t.height for t in tiles)
    shapes: list[Shape] = []
    below = top + ARROW + tallest + ARROW
    x: Number = 0
    axes = []
    for t in tiles:
        axes.append(x + t.axis)
        # Short branches are centred on the longest one.
        y = top + ARROW + (tallest - t.height) / 2
        if t.shapes:
            shapes += arrow([(axes[-1], top), (axes[-1], y)])
            shapes += t.at(x, y)
            shapes += arrow([(axes[-1], y + t.height), (axes[-1], below)])
        else:
            shapes += arrow([(axes[-1], top), (axes[-1], below)])
        x += t.width + GAP
    width = x - GAP
    axis = width / 2
    shapes.append(Line(points=((axis, 0), (axis, top)), stroke="muted", width=1.2))
    shapes.append(Line(points=((axes[0], top), (axes[-1], top)), stroke="muted", width=1.2))
    title = f"concatenation, {fork.output[0]}" if fork.join == "concatenation" else "sum"
    bar = box(title, fork.notes, kind="other", width=width)
    shapes += bar.at(0, below)
    return Tile(width=width, height=below + bar.height, axis=axis, shapes=tuple(shapes), bare=True)


def _length(part: Part) -> int:
    """Count the boxes of a part."""
    match part:
        case Step():
            return 0 if part.kind == "shortcut" else 1
        case Chain():
            return sum(map(_length, part.parts))
        case Repeat():
            return _length(part.part)
        case Fork():
            return sum(map(_length, part.branches))
