"""The page of errors: each image with true and predicted class, and its neighbours in feature space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from convworks.charts.lettering import ending, shorten
from convworks.pages.blocks import Facts, Section, tiles
from convworks.pages.pictures import Thumbnail
from convworks.pages.render import render

#: Maximum number of classes in the filter, the most frequent ones.
OFFERED = 24


@dataclass(frozen=True, kw_only=True)
class Near:
    """A neighbour: its picture, its class, and further details.

    `kind` relates its class to the error: `predicted`, `true`, or `other`.
    """

    picture: Thumbnail
    answer: str
    kind: str
    about: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """An error: its picture, its classes as text, further lines, and the indices of the classes involved."""

    picture: Thumbnail
    true: str
    predicted: str
    lines: Sequence[str]
    name: str
    near: Sequence[Near]
    classes: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A section of the page: cards with a heading and a note; `nothing` is shown if there are no cards."""

    anchor: str
    title: str
    note: str
    cards: Sequence[Card]
    nothing: str = ""


def headline(facts: Facts, lines: Sequence[str], *, key: bool = False) -> Markup:
    """Show the key numbers of the page, sentences below them, and the colour key."""
    return render("errors/headline.html", tiles=tiles(facts), lines=lines, key=key)


def class_filter(groups: Sequence[Group], classes: Sequence[str]) -> Markup:
    """Return buttons that show only the cards of one class, in pure CSS.

    Empty if fewer than three classes occur, since there is nothing to filter.
    """
    counts = Counter(label for group in groups for card in group.cards for label in set(card.classes))
    if len(counts) < 3:
        return Markup("")
    offered = [(label, shorten(classes[label], 28), count) for label, count in counts.most_common(OFFERED)]
    return render("errors/filter.html", offered=offered, total=sum(len(group.cards) for group in groups))


def sections(groups: Sequence[Group]) -> list[Section]:
    """Return the sections with their cards."""
    return [
        Section(
            anchor=group.anchor,
            title=group.title,
            note=group.note,
            body=render(
                "errors/cards.html",
                cards=[(card, ending(card.name, 52)) for card in group.cards],
                nothing=group.nothing,
            ),
        )
        for group in groups
    ]
