"""What reports show of outcomes in which every sample is right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from PIL import Image

from convworks.charts import ranking as ranking_chart
from convworks.charts.pictures import as_picture
from convworks.charts.raster import to_png
from convworks.files import write_bytes
from convworks.pages import blocks, mistakes
from convworks.pages.blocks import Section
from convworks.pages.ranking import ranking_words
from convworks.tasks.shown import Page


def worst_pictures(outcome: Any, page: Page) -> tuple[list[int], list[Image.Image]]:
    """Return the worst mistakes and their pictures, which also become errors.png; none without images."""
    worst = outcome.worst(mistakes.MOST) if page.image else []
    pictures = [as_picture(page.image(sample)) for sample in worst] if page.image else []
    captions = [outcome.caption(sample) for sample in worst]
    wrong = int((~outcome.correct).sum())
    write_bytes(page.folder / "errors.png", mistakes.sheet(captions, pictures, wrong=wrong))
    return worst, pictures


def ranking(outcome: Any, page: Page) -> list[Section]:
    """Show how well the probabilities put each class before the others; that is also written as ranking.png."""
    kinds = outcome.ranked
    names = [outcome.classes[kind] for kind in kinds]
    curves = ranking_chart.ranking(names, outcome.probabilities[:, kinds], outcome.shown[:, kinds])
    if curves is None:
        return []
    write_bytes(page.folder / "ranking.png", to_png(ranking_chart.draw(curves)))
    body = blocks.wrapping(ranking_chart.panels(curves)) + ranking_words(curves)
    return [Section(anchor="ranking", title="ROC and precision-recall", body=body)]


def mistakes_section(outcome: Any, worst: Sequence[int], grid: Markup, words: str) -> Section:
    """Show the worst mistakes, or say why there are none to see."""
    wrong = int((~outcome.correct).sum())
    note, body = "", grid
    if not wrong:
        body = blocks.paragraphs([f"No mistakes: every image of the {outcome.split} split is right."])
    elif not worst:
        body = blocks.paragraphs(
            [f"The mistakes ({wrong:,}) are in predictions.csv; this report was written without images."]
        )
    else:
        which = f"All {wrong}" if len(worst) == wrong else f"{len(worst)} of {wrong:,}"
        note = f"{which}, {words}"
    return Section(anchor="mistakes", title="Worst mistakes", note=note, body=body)
