"""What reports show of multi-label classification."""

from __future__ import annotations

from typing import Any

from convworks.pages import mistakes, multi_label
from convworks.pages.blocks import Section
from convworks.tasks.sections.judged import mistakes_section, ranking, worst_pictures
from convworks.tasks.shown import Page, Shown

ANSWERS = "Lowest average precision (AP) first. Found, missed and wrong count images at a probability of {threshold:g}."
WRONG_ANSWERS = "highest loss first; an image is wrong if any of its classes is."


def show(outcome: Any, page: Page) -> Shown:
    """Return what a report shows of predictions, and write ranking and mistakes as pictures."""
    worst, pictures = worst_pictures(outcome, page)
    first = multi_label.headline(
        page.metrics,
        split=outcome.split,
        classes=len(outcome.classes),
        threshold=outcome.threshold,
        chosen=page.chosen,
        note=page.note,
    )
    grid = multi_label.mistakes_grid(
        [mistakes.thumbnail(picture) for picture in pictures],
        names=[outcome.names[sample] for sample in worst],
        true=[outcome.true_name(sample) for sample in worst],
        predicted=[outcome.predicted_name(sample) for sample in worst],
        losses=[float(outcome.losses[sample]) for sample in worst],
    )
    ranked = ranking(outcome, page)
    sections = [
        overview(outcome, ANSWERS.format(threshold=outcome.threshold)),
        *ranked,
        mistakes_section(outcome, worst, grid, WRONG_ANSWERS),
    ]
    return Shown(first, sections, (*(["ranking.png"] if ranked else []), "errors.png"))


def overview(outcome: Any, note: str) -> Section:
    """Show how well each class is found."""
    table = multi_label.class_table(outcome.probabilities, outcome.labels, outcome.predicted, outcome.classes)
    return Section(anchor="classes", title="Classes", note=note, body=table)
