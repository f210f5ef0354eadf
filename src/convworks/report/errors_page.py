"""The page of errors: each as a picture with its true and predicted class, and with its neighbours in feature space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from convworks.charts.lettering import shorten
from convworks.report.page import Facts, section, tiles

#: The filter offers at most so many classes, those that most cards are about.
OFFERED = 24
#: A data URI, and whether the pixels of the picture are to stay squares.
Picture = tuple[str, bool]


@dataclass(frozen=True, kw_only=True)
class Near:
    """A neighbour: its picture, its class, what else is known of it.

    `kind` says what its class is: `predicted`, `true`, or `other` than both.
    """

    picture: Picture
    answer: str
    kind: str
    about: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """An error: its picture, its classes as text, further lines, and the classes that it is about."""

    picture: Picture
    true: str
    predicted: str
    lines: Sequence[str]
    name: str
    near: Sequence[Near]
    classes: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A section of the page: cards with a heading, words before them (HTML), and words in place of no cards."""

    anchor: str
    title: str
    note: str
    cards: Sequence[Card]
    nothing: str = ""


def headline(facts: Facts, said: Sequence[str], key: str = "") -> str:
    """Show the figures of the page, sentences below them, and what the colours mean (HTML)."""
    words = "".join(f'<p class="note">{escape(text)}</p>' for text in said)
    return f'<section class="figures">{tiles(facts)}{words}{key}</section>\n'


def class_filter(groups: Sequence[Group], classes: Sequence[str]) -> str:
    """Return buttons that hide the cards which are not about a class: style alone, no script.

    There are none where fewer than three classes occur, which leaves nothing to choose.
    """
    counts = Counter(label for group in groups for card in group.cards for label in set(card.classes))
    if len(counts) < 3:
        return ""
    offered = [label for label, _ in counts.most_common(OFFERED)]
    rules = "".join(f"main:has(#f{i}:checked) .error:not(.c{i}){{display:none}}" for i in offered)
    buttons = [_button("all", "all", sum(len(group.cards) for group in groups), checked=True)]
    buttons += [_button(f"f{i}", classes[i], counts[i]) for i in offered]
    lead = '<legend class="faint">Only those about</legend>'
    return f'<style>{rules}</style><fieldset class="filter">{lead}{"".join(buttons)}</fieldset>\n'


def groups_html(groups: Sequence[Group]) -> str:
    """Return the sections with their cards."""
    parts = []
    for group in groups:
        cards = "".join(_card(card) for card in group.cards)
        body = f'<div class="errors">{cards}</div>' if cards else f"<p>{escape(group.nothing)}</p>"
        parts.append(section(group.anchor, group.title, group.note, body))
    return "".join(parts)


def _button(identity: str, name: str, count: int, *, checked: bool = False) -> str:
    state = " checked" if checked else ""
    field = f'<input type="radio" name="class" id="{identity}"{state}>'
    return f'{field}<label for="{identity}">{escape(shorten(name, 28))} <small>{count}</small></label>'


def _card(card: Card) -> str:
    about = "".join(f" c{label}" for label in card.classes)
    true, predicted = escape(card.true), escape(card.predicted)
    picture = _picture(card.picture, f"{true} taken for {predicted}")
    lines = "".join(f"<p>{escape(line)}</p>" for line in card.lines)
    near = "".join(_near(each) for each in card.near)
    row = f'<ol class="near">{near}</ol>' if near else ""
    name = f'<p class="file" title="{escape(card.name)}">{escape(shorten(card.name, 52))}</p>'
    answer = f'<p class="answer"><b>{true}</b> <b class="wrong">→ {predicted}</b></p>'
    told = f'<div class="told">{answer}{lines}{row}{name}</div>'
    return f'<article class="error{about}"><div class="shown">{picture}</div>{told}</article>'


def _near(near: Near) -> str:
    answer = escape(near.answer)
    picture = f'<div class="shown">{_picture(near.picture, f"neighbour: {answer}")}</div>'
    return f'<li class="as-{near.kind}" title="{escape(near.about)}">{picture}<span>{answer}</span></li>'


def _picture(picture: Picture, alt: str) -> str:
    uri, tiny = picture
    pixels = ' class="pixels"' if tiny else ""
    return f'<img{pixels} src="{uri}" alt="{alt}">'
