"""What reports show of classification."""

from __future__ import annotations

from typing import Any

from convworks.charts import confusion as confusion_chart
from convworks.charts.raster import to_png
from convworks.files import write_bytes
from convworks.metrics.classification import calibration, confusion_matrix
from convworks.pages import blocks, classification, mistakes
from convworks.pages.blocks import Section
from convworks.tasks.sections.judged import mistakes_section, ranking, worst_pictures
from convworks.tasks.shown import Page, Shown

CONFUSION = "Rows are the true classes, columns the predicted ones: a perfect network fills only the diagonal."
CLASSES = (
    "Lowest F1 first. Precision: share of predictions of this class that are correct; "
    "recall: share of its images that are found."
)
WRONG_CLASSES = "lowest probability of the true class first, with the confidence of the wrong prediction."


def show(outcome: Any, page: Page) -> Shown:
    """Return what a report shows of predictions, and write confusion, ranking and mistakes as pictures."""
    worst, pictures = worst_pictures(outcome, page)
    first = classification.headline(
        page.metrics,
        split=outcome.split,
        wrong=int((~outcome.correct).sum()),
        classes=len(outcome.classes),
        chosen=page.chosen,
        note=page.note,
    )
    grid = classification.mistakes_grid(
        worst,
        [mistakes.thumbnail(picture) for picture in pictures],
        names=outcome.names,
        classes=outcome.classes,
        labels=outcome.labels,
        probabilities=outcome.probabilities,
    )
    ranked = ranking(outcome, page)
    sections = [
        *_classes(outcome, page),
        *ranked,
        _calibration(outcome),
        mistakes_section(outcome, worst, grid, WRONG_CLASSES),
    ]
    return Shown(first, sections, ("confusion.png", *(["ranking.png"] if ranked else []), "errors.png"))


def overview(outcome: Any, note: str) -> Section:
    """Show which classes are taken for which."""
    matrix = confusion_matrix(outcome.labels, outcome.predicted, len(outcome.classes))
    drawing = confusion_chart.confusion(matrix, outcome.classes)
    body = classification.confusion(drawing, matrix, outcome.classes)
    return Section(anchor="confusion", title="Confusion", note=note, body=body)


def _classes(outcome: Any, page: Page) -> list[Section]:
    """Show the classes and which are taken for which; that is also written as confusion.png."""
    matrix = confusion_matrix(outcome.labels, outcome.predicted, len(outcome.classes))
    drawing = confusion_chart.confusion(matrix, outcome.classes)
    write_bytes(page.folder / "confusion.png", to_png(drawing))
    confusion = classification.confusion(drawing, matrix, outcome.classes)
    classes = classification.class_table(matrix, outcome.classes)
    return [
        Section(anchor="confusion", title="Confusion", note=CONFUSION, body=confusion),
        Section(anchor="classes", title="Classes", note=CLASSES, body=classes),
    ]


def _calibration(outcome: Any) -> Section:
    bins = calibration(outcome.probabilities, outcome.labels)
    body = blocks.two("beside", confusion_chart.calibration(bins), classification.calibration_words(bins))
    return Section(anchor="calibration", title="Calibration", note="Are the probabilities reliable?", body=body)
