"""Page sections for a restored picture: before, after, and the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from convworks.pages.pictures import Thumbnail
from convworks.pages.render import render


def pictures(name: str, titled: Mapping[str, Thumbnail], *, line: str, notes: Sequence[str] = ()) -> Markup:
    """Show pictures side by side under a line, by title; `notes` follow."""
    return render("restoration/pictures.html", name=name, pictures=list(titled.items()), line=line, notes=notes)
