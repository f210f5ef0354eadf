"""The page of errors: each as a picture with its true and predicted class, and with its neighbours in feature space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from convworks.charts.lettering import shorten
from convworks.pages.blocks import Facts, Section, tiles
from convworks.pages.pictures import Thumbnail
from convworks.pages.render import render

#: The filter offers at most so many classes, those that most cards are about.
OFFERED = 24


@dataclass(frozen=True, kw_only=True)
class Near:
    """A neighbour: its picture, its class, what else is known of it.

    `kind` says what its class is: `predicted`, `true`, or `other` than both.
    """

    picture: Thumbnail
    answer: str
    kind: str
    about: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """An error: its picture, its classes as text, further lines, and the classes that it is about."""

    picture: Thumbnail
    true: str
    predicted: str
    lines: Sequence[str]
    name: str
    near: Sequence[Near]
    classes: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A section of the page: cards with a heading, words before them, and words in place of no cards."""

    anchor: str
    title: str
    note: str
    cards: Sequence[Card]
    nothing: str = ""


def headline(facts: Facts, lines: Sequence[str], *, key: bool = False) -> Markup:
    """Show the figures of the page, sentences below them, and what the colours mean."""
    return render("errors/headline.html", tiles=tiles(facts), lines=lines, key=key)


def class_filter(groups: Sequence[Group], classes: Sequence[str]) -> Markup:
    """Return buttons that hide the cards which are not about a class: style alone, no script.

    There are none where fewer than three classes occur, which leaves nothing to choose.
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
                cards=[(card, shorten(card.name, 52)) for card in group.cards],
                nothing=group.nothing,
            ),
        )
        for group in groups
    ]
