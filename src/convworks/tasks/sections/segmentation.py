"""What reports show of segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convworks.charts import confusion as confusion_chart
from convworks.charts.pictures import as_picture
from convworks.charts.raster import png_bytes, to_png
from convworks.data.inspect.legend import with_legend
from convworks.data.inspect.overlay import as_colours, errors, named_colours, overlay
from convworks.files import write_bytes
from convworks.pages import blocks, segmentation
from convworks.pages.blocks import Section
from convworks.pages.classification import calibration_words
from convworks.pages.mistakes import thumbnail
from convworks.pages.segmentation import Sample, side_by_side
from convworks.tasks.shown import Page, Shown

CONFUSION = "Pixels: rows are the true classes, columns the predicted ones. Ignored pixels are left out."
CLASSES = (
    "Lowest IoU first, over all pixels of the split; intervals are over images. IoU: pixels that are of this class in "
    "both masks, as a share of those that are in either."
)
WORST = "Lowest mean IoU first."
CALIBRATION = "Are the probabilities of pixels reliable?"
TYPICAL = "Images around the median of mean IoU."


def show(outcome: Any, page: Page) -> Shown:
    """Return what a report shows of masks, and write confusion matrix and examples as pictures."""
    confusion = overview(outcome, CONFUSION)
    write_bytes(page.folder / "confusion.png", to_png(confusion_chart.confusion(outcome.matrix, outcome.classes)))
    classes = segmentation.class_table(page.metrics, outcome.matrix, outcome.classes)
    examples = [
        _examples("typical", "Typical images", f"{TYPICAL} {_in_colours(outcome)}", outcome, outcome.typical, page),
        _examples("worst", "Worst images", f"{WORST} {_in_colours(outcome)}", outcome, outcome.worst, page),
    ]
    sections = [
        Section(anchor="classes", title="Classes", note=CLASSES, body=classes),
        confusion,
        _calibration(outcome),
        *examples,
    ]
    first = segmentation.headline(page.metrics, split=outcome.split, chosen=page.chosen, note=page.note)
    pictures = ["confusion.png", *(f"{section.anchor}.png" for section in examples if section.body)]
    return Shown(first, sections, pictures)


def overview(outcome: Any, note: str) -> Section:
    """Show which classes of pixels are taken for which."""
    drawing = confusion_chart.confusion(outcome.matrix, outcome.classes)
    body = segmentation.confusion(drawing, outcome.matrix, outcome.classes)
    return Section(anchor="confusion", title="Confusion", note=note, body=body)


def _calibration(outcome: Any) -> Section:
    bins = outcome.calibration
    body = blocks.two("beside", confusion_chart.calibration(bins, "pixel"), calibration_words(bins))
    return Section(anchor="calibration", title="Calibration", note=CALIBRATION, body=body)


def _examples(anchor: str, title: str, note: str, outcome: Any, examples: Sequence[Any], page: Page) -> Section:
    """Show image, mask, prediction and errors of some samples; they are also written as a picture."""
    named = named_colours(outcome.classes, outcome.colours)
    rows = [
        [
            as_picture(as_colours(each.image)),
            as_picture(overlay(each.image, each.target, outcome.colours)),
            as_picture(overlay(each.image, each.prediction, outcome.colours)),
            as_picture(errors(each.image, each.target, each.prediction)),
        ]
        for each in examples
    ]
    samples = [
        Sample(
            name=outcome.names[each.sample],
            score=float(outcome.scores[each.sample]),
            pictures=[thumbnail(picture) for picture in row],
        )
        for each, row in zip(examples, rows, strict=True)
    ]
    if rows:
        write_bytes(page.folder / f"{anchor}.png", png_bytes(with_legend(side_by_side(rows), named)))
    return Section(anchor=anchor, title=title, note=note, body=segmentation.samples(samples, named))


def _in_colours(outcome: Any) -> str:
    """Say how pictures show classes, and which of them they leave clear."""
    shown = {name for name, _ in named_colours(outcome.classes, outcome.colours)}
    clear = [name for name in outcome.classes if name not in shown]
    left = f"; {' and '.join(clear)} left clear" if clear else ""
    return f"Classes in colours over the image{left}. Orange: wrong."
