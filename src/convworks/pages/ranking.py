"""A summary of ranking curves in words."""

from __future__ import annotations

from markupsafe import Markup

from convworks.charts.ranking import Ranking, zoom
from convworks.pages.render import render


def ranking_words(ranking: Ranking) -> Markup:
    """Describe the curves, how the classes were averaged, and which classes were left out."""
    lowest = int(ranking.average_precisions.argmin())
    return render(
        "ranking.html",
        classes=ranking.classes,
        area=float(ranking.areas.mean()),
        precision=float(ranking.average_precisions.mean()),
        lowest=ranking.classes[lowest],
        lowest_precision=float(ranking.average_precisions[lowest]),
        total=ranking.total,
        whole=zoom(ranking) == 1,
    )
