"""Encoder-decoder networks with skip connections, drawn as a U."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convworks.charts.drawing import Line, Shape, Text
from convworks.charts.network.rows import GAP, SUM, plus, row, shape_of, size_text
from convworks.charts.network.tiles import ARROW, NOTE, Tile, arrow, box
from convworks.models.analysis.outline import Chain, Fork, Part, Repeat
from convworks.models.analysis.steps import Step

#: Space below each scale, and between the two sides of the U.
BELOW, BETWEEN = 34.0, 190.0


@dataclass(frozen=True, kw_only=True)
class Scale:
    """One scale of a U: the layers on the way down, those across, and those on the way up, after the join."""

    down: tuple[Part, ...]
    across: tuple[Part, ...]
    join: str
    up: tuple[Part, ...]


def hourglass(parts: Sequence[Part]) -> list[Scale] | None:
    """Return the scales of a U-shaped network, finest first; None for any other network."""
    index = next((n for n, part in enumerate(parts) if _dips(part)), None)
    if index is None:
        return None
    fork = parts[index]
    assert isinstance(fork, Fork)
    deep, across = fork.branches if _coarsest(fork.branches[0]) < _coarsest(fork.branches[1]) else fork.branches[::-1]
    finest = Scale(down=tuple(parts[:index]), across=across.parts, join=fork.join, up=tuple(parts[index + 1 :]))
    deeper = hourglass(deep.parts)
    if deeper is None:
        turn = min(range(len(deep.parts)), key=lambda n: (_positions(deep.parts[n]), -n))
        deeper = [Scale(down=deep.parts[: turn + 1], across=(), join="", up=deep.parts[turn + 1 :])]
    return [finest, *deeper]


def u_tile(scales: Sequence[Scale], input_label: str) -> Tile:
    """Draw the scales: down on the left, across, and up on the right."""
    downs = [row(scale.down, sizes=True) for scale in scales]
    ups = [row(scale.up, sizes=True, upward=True) for scale in scales]
    acrosses = [_across(scale.across) for scale in scales]
    left = max(t.axis for t in downs) + 70
    between = max(BETWEEN, *(t.width + 70 for t in acrosses))
    right = left + max(t.width - t.axis for t in downs) + between + max(t.axis for t in ups)
    shapes: list[Shape] = [Text(x=left, y=8, text=input_label, size=NOTE + 1, fill="muted", anchor="middle")]
    y, before = 34.0, 16.0
    exit_up = 16.0  # where the arrow upwards on the right ends
    for number, scale in enumerate(scales):
        height = max(downs[number].height, ups[number].height)
        down, up, across = downs[number], ups[number], acrosses[number]
        if down.shapes:
            shapes += arrow([(left, before), (left, y)])
            shapes += down.at(left - down.axis, y)
            shapes.append(
                Line(points=((left, y + down.height), (left, y + height + SUM + ARROW)), stroke="muted", width=1.2)
            )
        else:
            shapes.append(Line(points=((left, before), (left, y + height + SUM + ARROW)), stroke="muted", width=1.2))
        meet = y + height + ARROW + SUM
        start = y + height - up.height
        if up.shapes:
            shapes += up.at(right - up.axis, start)
        if scale.join:
            shapes += _sizes(scale, left, right, meet)
            shapes += across_arrow(left, right, meet, across)
            shapes += plus(right, meet) if scale.join == "sum" else _joint(right, meet)
            shapes += arrow([(right, meet - SUM), (right, start + up.height if up.shapes else exit_up)])
        else:
            shapes += arrow(
                [(left, meet), (right, meet), (right, start + up.height if up.shapes else exit_up)], radius=14
            )
            shapes.append(_label(left - 8, meet - 10, scale.down[-1], "end"))
        if up.shapes:
            shapes += arrow([(right, start), (right, exit_up)])
            shapes.append(_label(right - 8, start - 9, scale.up[-1], "end"))
        y, before, exit_up = meet + BELOW, meet, meet + SUM
    return Tile(
        width=right + max(t.width - t.axis for t in ups) + 70, height=y - BELOW + 12, axis=left, shapes=tuple(shapes)
    )


def across_arrow(left: Number, right: Number, y: Number, across: Tile) -> list[Shape]:
    """Return the arrow of a skip connection, with its boxes."""
    if not across.shapes:
        return arrow([(left, y), (right - SUM, y)])
    x = (left + right - across.width) / 2
    top = y - across.height / 2
    return [
        *arrow([(left, y), (x, y)]),
        *across.at(x, top),
        *arrow([(x + across.width, y), (right - SUM, y)]),
    ]


def _joint(x: Number, y: Number) -> list[Shape]:
    ring = plus(x, y)[0]
    return [ring, *(Line(points=((x + d, y - 3.5), (x + d, y + 3.5)), stroke="ink", width=1.3) for d in (-2, 2))]


def _sizes(scale: Scale, left: Number, right: Number, y: Number) -> list[Shape]:
    words = "concatenation" if scale.join == "concatenation" else "sum"
    shapes: list[Shape] = [Text(x=right + SUM + 6, y=y, text=words, size=NOTE, fill="muted")]
    if scale.down:
        shapes.append(_label(left - 8, y, scale.down[-1], "end"))
    return shapes


def _label(x: Number, y: Number, part: Part, anchor: str) -> Text:
    return Text(x=x, y=y, text=size_text(shape_of(part)), size=NOTE, fill="muted", anchor=anchor)


def _across(parts: Sequence[Part]) -> Tile:
    """Return the boxes of a skip connection, side by side."""
    steps = [part for part in parts if isinstance(part, Step)]
    tiles = [box(step.title, step.notes, kind=step.kind, width=80) for step in steps]
    shapes: list[Shape] = []
    x: Number = 0
    height = max((t.height for t in tiles), default=0)
    for number, t in enumerate(tiles):
        if number:
            shapes += arrow([(x - GAP - 4, height / 2), (x, height / 2)])
        shapes += t.at(x, (height - t.height) / 2)
        x += t.width + GAP + 4
    return Tile(width=max(0, x - GAP - 4), height=height, axis=0, shapes=tuple(shapes))


def _dips(part: Part) -> bool:
    """Return whether one of two branches of a part goes down to a coarser scale and comes up again."""
    if not isinstance(part, Fork) or len(part.branches) != 2 or len(part.output) < 2:
        return False
    positions = _product(part.output)
    coarsest = sorted(_coarsest(branch) for branch in part.branches)
    rises = coarsest[0] > 1 or max(_finest(branch) for branch in part.branches) > coarsest[0]  # inside, or to be joined
    return rises and coarsest[0] < positions * 0.6 <= coarsest[1]


def _positions(part: Part) -> float:
    shape = shape_of(part)
    return _product(shape)


def _product(shape: Sequence[int]) -> float:
    product = 1.0
    for n in shape[1:]:
        product *= n
    return product


def _coarsest(part: Part) -> float:
    return min(_all(part), default=float("inf"))


def _finest(part: Part) -> float:
    return max(_all(part), default=0.0)


def _all(part: Part) -> list[float]:
    """Return the number of spatial positions of every output in a part."""
    match part:
        case Chain():
            return [n for inner in part.parts for n in _all(inner)]
        case Repeat():
            return _all(part.part)
        case Fork():
            return [_product(part.output), *(n for branch in part.branches for n in _all(branch))]
        case _:
            return [_product(part.output)]


Number = float | int
