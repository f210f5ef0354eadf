"""Errors and their neighbours as cards for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int64

from convworks.charts.pictures import as_picture
from convworks.data.inputs.input import Input
from convworks.data.inputs.pictures import pictures
from convworks.data.source import Split
from convworks.inference.surroundings import Surroundings
from convworks.pages.errors import Card, Near
from convworks.pages.mistakes import thumbnail, tiny
from convworks.pages.pictures import Thumbnail
from convworks.tasks.outcome import Judged

#: Longest side of a neighbour's picture, in pixels.
SMALL = 128


def make_cards(
    outcome: Judged,
    split: Split,
    shown: Int64[np.ndarray, " m"],
    around: Surroundings | None,
    first: int,
    input: Input,
) -> list[Card]:
    """Return a card for each of the samples, whose neighbours start at row `first` of the surroundings."""
    large = _pictures(split, shown.tolist(), input)
    small: Mapping[int, Thumbnail] = {}
    if around is not None:
        indices = np.unique(around.neighbours.indices[first:]).tolist()
        small = _pictures(around.part, indices, input, SMALL)
    cards = []
    for row, sample in enumerate(shown.tolist(), start=first):
        true, predicted, line, classes = outcome.error(sample)
        near = [] if around is None else _near(around, row, small, true, predicted)
        agree = sum(neighbour.kind == "predicted" for neighbour in near)
        cards.append(
            Card(
                picture=large[sample],
                true=true or "nothing",
                predicted=predicted or "nothing",
                lines=[line, f"{agree} of {len(near)} neighbours as predicted"] if near else [line],
                name=outcome.names[sample],
                near=near,
                classes=classes,
            )
        )
    return cards


def _near(around: Surroundings, row: int, pictures: Mapping[int, Thumbnail], true: str, predicted: str) -> list[Near]:
    """Return the neighbours of a row of the surroundings."""
    neighbours, cards = around.neighbours, []
    columns = (around.neighbour_classes(row), neighbours.indices[row].tolist(), neighbours.similarities[row].tolist())
    for answer, index, similarity in zip(*columns, strict=True):
        kind = "predicted" if answer == predicted else "true" if answer == true else "other"
        about = f"{answer or 'nothing'}: {around.part.names[index]}, cosine similarity {similarity:.3f}"
        cards.append(Near(picture=pictures[index], answer=answer or "nothing", kind=kind, about=about))
    return cards


def _pictures(split: Split, indices: Sequence[int], input: Input, side: int | None = None) -> Mapping[int, Thumbnail]:
    """Return images of a split as thumbnails of at most `side` pixels."""
    if not indices:
        return {}
    thumbnails = {}
    for index, pixels in zip(indices, pictures(input, split, indices), strict=True):
        picture = as_picture(pixels)
        if side is not None and not tiny(picture):
            picture.thumbnail((side, side))
        thumbnails[index] = thumbnail(picture)
    return thumbnails
