"""Diagram of a network: a card per stage, top to bottom, in as many columns as keep it legible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convworks.charts.drawing import Drawing, Rectangle, Shape, Text
from convworks.charts.lettering import Number, room, text_width
from convworks.charts.network.hourglass import hourglass, u_tile
from convworks.charts.network.rows import row, size_text
from convworks.charts.network.tiles import ARROW, NOTE, Tile, arrow
from convworks.models.analysis.outline import Stage

#: Space between columns, padding of a card, and height of its name.
COLUMN, PADDING, NAME = 46.0, 12.0, 20.0
#: Font size of card names, and space below an auxiliary classifier for the arrow that enters it.
LABEL, RISE = NOTE + 1, 22.0
#: Preferred ratio of width to height.
ASPECT = 1.6


def network_picture(stages: Sequence[Stage], *, title: str, remarks: str, given: str) -> Drawing:
    """Draw the stages of a network; `given` describes the input, `remarks` is the line below the title."""
    main = [stage for stage in stages if not stage.name.startswith("auxiliary.")]
    u = hourglass([part for stage in main for part in stage.part.parts])
    body = u_tile(u, given) if u is not None else _columns(stages, given)
    top = 58.0
    shapes: list[Shape] = [
        Text(x=0, y=12, text=title, size=20, bold=True),
        Text(x=0, y=36, text=remarks, size=11, fill="muted"),
        *body.at(0, top),
    ]
    width = max(body.width, room(title, 20), room(remarks, 11))
    return Drawing(width=width, height=top + body.height, label=f"{title}: {remarks}", shapes=tuple(shapes))


@dataclass(frozen=True, kw_only=True)
class _Card:
    """The tile of a stage, the space it needs on both sides of its axis, and the auxiliary classifiers that read it."""

    name: str
    size: str
    inner: Tile
    left: Number
    right: Number
    auxiliary: tuple[_Card, ...] = ()

    @property
    def height(self) -> Number:
        """Return the height including name and padding."""
        return NAME + self.inner.height + PADDING

    def drawn(self, axis: Number, y: Number, left: Number, right: Number, *, below: Number = 0) -> list[Shape]:
        """Return the card with its edges at distances `left` and `right` from the axis, and extra space below."""
        x, width = axis - left, left + right
        return [
            Rectangle(x=x, y=y, width=width, height=self.height + below, fill="grid", opacity=0.45, radius=8),
            Text(x=x + PADDING, y=y + NAME / 2 + 1, text=self.name, size=LABEL, bold=True),
            Text(x=x + width - PADDING, y=y + NAME / 2 + 1, text=self.size, size=LABEL, fill="muted", anchor="end"),
            *self.inner.at(axis - self.inner.axis, y + NAME),
        ]


def _card(stage: Stage, inner: Tile, auxiliary: tuple[_Card, ...] = ()) -> _Card:
    name, size = stage.name.removeprefix("auxiliary."), size_text(stage.output)
    words = text_width(name, LABEL) + text_width(size, LABEL) + 26 + 2 * PADDING
    left = inner.axis + PADDING
    right = max(inner.width - inner.axis + PADDING, words - left)
    return _Card(name=name, size=size, inner=inner, left=left, right=right, auxiliary=auxiliary)


def _cards(stages: Sequence[Stage]) -> list[_Card]:
    cards: list[_Card] = []
    for index, stage in enumerate(stages):
        if stage.name.startswith("auxiliary.") or not stage.part.parts:
            continue
        classifiers = [s for s in stages if s.name.startswith("auxiliary.") and index in s.reads]
        auxiliary = tuple(_card(s, row(s.part.parts, 120, sizes=True, upward=True)) for s in classifiers)
        cards.append(_card(stage, row(stage.part.parts, sizes=True), auxiliary))
    return cards


def _columns(stages: Sequence[Stage], input_label: str) -> Tile:
    """Arrange the cards in columns of about equal height that fill the diagram well."""
    cards = _cards(stages)
    heights = sorted({_total(cards[a:b]) for a in range(len(cards)) for b in range(a + 1, len(cards) + 1)})
    splits: dict[int, list[list[_Card]]] = {}
    for limit in heights:
        split = _split(cards, limit)
        if split is not None:
            splits.setdefault(len(split), split)  # the lowest limit comes first
    layouts: list[tuple[float, list[Tile]]] = []
    for split in splits.values():
        columns = [_column(column) for column in split]
        width, height = sum(t.width for t in columns) + COLUMN * len(columns), max(t.height for t in columns)
        filled = sum(t.width * t.height for t in columns) / (width * height)
        layouts.append((max(width / height / ASPECT, height / width * ASPECT) / filled, columns))
    return _joined(min(layouts, key=lambda entry: entry[0])[1], input_label)


def _joined(columns: Sequence[Tile], input_label: str) -> Tile:
    """Place columns side by side, with an arrow from the end of one to the start of the next."""
    top, height = 34.0, max(t.height for t in columns)
    axis = columns[0].axis
    shapes: list[Shape] = []
    enter: list[tuple[Number, Number]] = [(axis, 16), (axis, top + NAME)]
    x: Number = 0
    for number, t in enumerate(columns):
        shapes += t.at(x, top)
        shapes += arrow(enter, head=not t.bare)
        if number + 1 < len(columns):
            gap, to = x + t.width + COLUMN / 2, x + t.width + COLUMN + columns[number + 1].axis
            axis, end = x + t.axis, top + t.foot
            turns = [(axis, end + PADDING + 14), (gap, end + PADDING + 14), (gap, top - 14), (to, top - 14)]
            enter = [(axis, end), *turns, (to, top + NAME)]
        x += t.width + COLUMN
    shapes.append(Text(x=columns[0].axis, y=8, text=input_label, size=LABEL, fill="muted", anchor="middle"))
    return Tile(width=x - COLUMN, height=top + height + 16, axis=columns[0].axis, shapes=tuple(shapes))


def _column(cards: Sequence[_Card]) -> Tile:
    """Stack cards vertically, auxiliary classifiers on the right."""
    left, right = max(card.left for card in cards), max(card.right for card in cards)
    shapes: list[Shape] = []
    arrows: list[Shape] = []
    y: Number = 0
    width = left + right
    for number, card in enumerate(cards):
        if number:
            arrows += arrow([(left, y - PADDING), (left, y + ARROW + NAME)], head=not card.inner.bare)
            y += ARROW
        shapes += card.drawn(left, y, left, right)
        y += card.height
        x = left + right + 26
        for extra in card.auxiliary:
            start = max(y - extra.height - RISE, 0)
            shapes += extra.drawn(x + extra.left, start, extra.left, extra.right, below=RISE)
            turn, end, side = x + extra.left, start + extra.height - PADDING, x - 13
            ways = [(turn, y - 23)] if start else [(side, y - 23), (side, end + RISE), (turn, end + RISE)]
            arrows += arrow([(left + card.inner.width - card.inner.axis, y - 23), *ways, (turn, end)])
            x += extra.left + extra.right + 16
            width = max(width, x - 16)
    bare = cards[0].inner.bare
    return Tile(width=width, height=y, axis=left, shapes=(*shapes, *arrows), bare=bare, foot=y - PADDING)


def _total(cards: Sequence[_Card]) -> Number:
    return sum(card.height for card in cards) + ARROW * (len(cards) - 1)


def _split(cards: Sequence[_Card], limit: Number) -> list[list[_Card]] | None:
    """Fill columns up to a height, one after the other; None if a card is taller."""
    columns: list[list[_Card]] = [[]]
    for card in cards:
        if card.height > limit:
            return None
        if columns[-1] and _total([*columns[-1], card]) > limit:
            columns.append([])
        columns[-1].append(card)
    return columns
