"""Images of samples with their true and predicted classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from convworks.charts.lettering import ending
from convworks.pages.render import render


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """A picture as a data URI; `pixelated` disables smoothing."""

    uri: str
    pixelated: bool


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A misclassified sample; an empty string means no class. `lines` are shown below the classes."""

    picture: Thumbnail
    name: str
    true: str
    predicted: str
    probability: float | None = None
    lines: Sequence[str] = ()


def mistakes_grid(mistakes: Sequence[Mistake]) -> Markup:
    """Show pictures with true and predicted class."""
    return render("mistakes.html", rows=[(mistake, ending(mistake.name, 44)) for mistake in mistakes])
