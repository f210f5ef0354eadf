"""The report of a run: one self-contained page, and its figures and predictions as files beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from markupsafe import Markup

from convworks.charts import confusion as figures
from convworks.charts import ranking as ranking_figure
from convworks.charts.curves import curves
from convworks.charts.raster import to_png
from convworks.files import write_bytes
from convworks.metrics.classification import calibration, confusion_matrix
from convworks.metrics.ranking import asked, one_against_rest
from convworks.metrics.slices import Slices
from convworks.pages import blocks, classification, multi_label, reconstruction
from convworks.pages.blocks import Link, Section
from convworks.pages.ranking import ranking_words
from convworks.pages.slices import NOTE, slices_table
from convworks.pages.tables import values_table
from convworks.report import mistakes, reconstruction_drawings
from convworks.tasks.classification import Predictions
from convworks.tasks.multi_label import THRESHOLD, Predicted, SeveralPredictions
from convworks.tasks.reconstruction import Reconstructions
from convworks.tasks.summary import summary

CURVES = "Blue: the validation split, its best value marked. Grey: the training images, as the network met them."
CONFUSION = "Rows are the true classes, columns the predicted ones: a perfect network fills only the diagonal."
CLASSES = (
    "The lowest F1 first. Precision: of what was given this name, how much is; recall: of what is, how much was found."
)
WRONG_CLASSES = (
    "those first in which the true class was given the lowest probability. "
    "Beside the classes: how sure the network was of its wrong answer."
)
ANSWERS = (
    "The lowest average precision (AP) first, the area below precision over recall. Found, missed and wrong count "
    "images at a probability of 0.5."
)
HINT = Markup("Every field can be changed with <code>--set name=value</code>.")
EXAMPLES = "Spread evenly over the split: as they are, and what the network made of them."
#: Pages that may lie beside this one, and what the links to them say.
PAGES = {"errors.html": "Errors and their neighbours"}
WRONG_ANSWERS = "the highest loss first; an image counts as wrong when any of its classes is."


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """What a report tells; only title and predictions are always there.

    Attributes:
        title: heading of the page.
        predictions: of the evaluated split.
        figures: what `summary` finds of the predictions; it is asked where they are not given.
        image: pixels of sample i of the predictions; without it the worst mistakes are not shown.
        chosen: what was chosen on validation, such as "the checkpoint"; nothing is said of it where it is empty.
        note: one more sentence under the accuracy.
        slices: how good it is on parts of the split.
        history: rows as `curves` draws them.
        facts: labels and values, in order.
        seconds: names and seconds of the phases of the work, in order.
        configuration: nested values, shown under dotted names.
        environment: hardware, versions, device, precision, seed.
        command: what repeats the run.
        next_command: what to do with its result.
        beside: names of further files that are in the folder; pages among them are linked.
    """

    title: str
    predictions: Predicted | Reconstructions
    figures: Mapping[str, Any] | None = None
    image: Callable[[int], UInt8[np.ndarray, "h w c"]] | None = None
    chosen: str = ""
    note: str = ""
    slices: Slices | None = None
    history: Sequence[Mapping[str, Any]] = ()
    facts: Sequence[tuple[str, str]] = ()
    seconds: Sequence[tuple[str, float | int]] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    next_command: str = ""
    beside: Sequence[str] = ()


def write_report(folder: Path, content: ReportContent) -> Path:
    """Write report.html, curves.png, confusion.png, ranking.png, errors.png, predictions.csv; return the page's path.

    Where samples show any number of classes there is no confusion of one with another, and no confusion.png; where all
    are of one class, or each class is ranked without mistake, there is no ranking.png; where images were made,
    reconstructions.png and worst.png in the place of all three pictures; without a history there is no curves.png.
    """
    folder.mkdir(parents=True, exist_ok=True)
    predictions = content.predictions
    predictions.write_csv(folder / "predictions.csv")
    if isinstance(predictions, Reconstructions):
        first, own, pictures = _made(folder, content, predictions)
    else:
        first, own, pictures = _answered(folder, content, predictions)
    training = curves(content.history) if content.history else None
    if training is not None:
        write_bytes(folder / "curves.png", to_png(training))
        pictures = ("curves.png", *pictures)
    sections = [
        Section(anchor="facts", title="At a glance", body=blocks.tiles(content.facts)),
        Section(anchor="curves", title="Training", note=CURVES, body=blocks.wide(training) if training else Markup()),
        *own[:-1],
        Section(
            anchor="slices",
            title="Slices",
            note=NOTE,
            body=slices_table(content.slices) if content.slices else Markup(),
        ),
        *own[-1:],
        *_background(content),
    ]
    links = {name: Link(href=name, text=f"{title} →") for name, title in PAGES.items() if name in content.beside}
    return blocks.write_page(
        folder / "report.html",
        title=content.title,
        headline=first,
        sections=sections,
        after=[*links.values()],
        beside=[
            Link(href=name, text=name) if name in links else name
            for name in (*pictures, "predictions.csv", *content.beside)
        ],
    )


#: What comes first on the page, its own sections, and the pictures that were written beside it.
Told = tuple[Markup, list[Section], tuple[str, ...]]


def _made(folder: Path, content: ReportContent, found: Reconstructions) -> Told:
    """Tell of images that were made, and write them as pictures."""
    corrupted = found.corruption is not None
    first = reconstruction.headline(
        summary(found), split=found.split, errors=found.errors, chosen=content.chosen, note=content.note
    )
    own = []
    for anchor, title, words, pictures in (
        ("reconstructions", "Reconstructions", EXAMPLES, found.examples),
        ("worst", "Worst reconstructions", "Those of the highest squared error.", found.worst),
    ):
        drawn = reconstruction_drawings.drawing(pictures, corrupted=corrupted)
        write_bytes(folder / f"{anchor}.png", to_png(drawn))
        own.append(Section(anchor=anchor, title=title, note=words, body=blocks.wide(drawn)))
    return first, own, ("reconstructions.png", "worst.png")


def _answered(folder: Path, content: ReportContent, predictions: Predicted) -> Told:
    """Tell of classes that were predicted, and write confusion and mistakes as pictures."""
    worst = predictions.worst(mistakes.MOST) if content.image else []
    pictures = [mistakes.as_picture(content.image(i)) for i in worst] if content.image else []

    write_bytes(folder / "errors.png", mistakes.errors(predictions, worst, pictures))

    thumbnails = [mistakes.thumbnail(picture) for picture in pictures]
    chosen, note, found = content.chosen, content.note, content.figures or summary(predictions)
    ranked = _ranking(folder, predictions)
    if isinstance(predictions, SeveralPredictions):
        first = multi_label.headline(
            found,
            split=predictions.split,
            classes=len(predictions.classes),
            threshold=THRESHOLD,
            chosen=chosen,
            note=note,
        )
        table = multi_label.class_table(
            predictions.probabilities, predictions.labels, predictions.predicted, predictions.classes
        )
        grid = multi_label.mistakes_grid(
            thumbnails,
            names=[predictions.names[i] for i in worst],
            true=[predictions.true_names(i) for i in worst],
            predicted=[predictions.predicted_names(i) for i in worst],
            losses=[float(predictions.losses[i]) for i in worst],
        )
        own = [
            Section(anchor="classes", title="Classes", note=ANSWERS, body=table),
            *ranked,
            _mistakes(predictions, worst, grid, WRONG_ANSWERS),
        ]
    else:
        first = classification.headline(
            found,
            split=predictions.split,
            wrong=int((~predictions.correct).sum()),
            classes=len(predictions.classes),
            chosen=chosen,
            note=note,
        )
        grid = classification.mistakes_grid(
            worst,
            thumbnails,
            names=predictions.names,
            classes=predictions.classes,
            labels=predictions.labels,
            probabilities=predictions.probabilities,
        )
        own = [
            *_classes(folder, predictions),
            *ranked,
            _calibration(predictions),
            _mistakes(predictions, worst, grid, WRONG_CLASSES),
        ]
    several = isinstance(predictions, SeveralPredictions)
    return first, own, (*(() if several else ("confusion.png",)), *(["ranking.png"] if ranked else []), "errors.png")


def _classes(folder: Path, predictions: Predictions) -> list[Section]:
    """Tell of the classes and which are taken for which; that is also written as confusion.png."""
    matrix = confusion_matrix(predictions.labels, predictions.predicted, len(predictions.classes))
    drawing = figures.confusion(matrix, predictions.classes)
    write_bytes(folder / "confusion.png", to_png(drawing))
    confusion = classification.confusion(drawing, matrix, predictions.classes)
    classes = classification.class_table(matrix, predictions.classes)
    return [
        Section(anchor="confusion", title="Confusion", note=CONFUSION, body=confusion),
        Section(anchor="classes", title="Classes", note=CLASSES, body=classes),
    ]


def _ranking(folder: Path, predictions: Predicted) -> list[Section]:
    """Tell how well the probabilities put each class before the others; that is also written as ranking.png."""
    k = len(predictions.classes)
    if isinstance(predictions, SeveralPredictions):
        kinds, labels = list(range(k)), predictions.labels
    else:
        kinds, labels = asked(k), one_against_rest(predictions.labels, k)
    names = [predictions.classes[i] for i in kinds]
    found = ranking_figure.ranking(names, predictions.probabilities[:, kinds], labels[:, kinds])
    if found is None:
        return []
    drawing = ranking_figure.draw(found)
    write_bytes(folder / "ranking.png", to_png(drawing))
    body = blocks.wide(drawing) + ranking_words(found)
    return [Section(anchor="ranking", title="ROC and precision-recall", body=body)]


def _calibration(predictions: Predictions) -> Section:
    bins = calibration(predictions.probabilities, predictions.labels)
    body = blocks.two("beside", figures.calibration(bins), classification.calibration_words(bins))
    return Section(anchor="calibration", title="Calibration", note="Can the probabilities be believed?", body=body)


def _mistakes(predictions: Predicted, worst: Sequence[int], grid: Markup, words: str) -> Section:
    wrong = int((~predictions.correct).sum())
    note, body = "", grid
    if not wrong:
        body = blocks.paragraphs([f"No mistakes: every sample of the {predictions.split} split is right."])
    elif not worst:
        body = blocks.paragraphs(
            [f"The mistakes ({wrong:,}) are in predictions.csv; this report was written without images."]
        )
    else:
        which = f"All {wrong}" if len(worst) == wrong else f"{len(worst)} of {wrong:,}"
        note = f"{which}, {words}"
    return Section(anchor="mistakes", title="Worst mistakes", note=note, body=body)


def _background(content: ReportContent) -> list[Section]:
    """Return the sections on how the run was made: configuration, machine, time, commands."""
    settings = blocks.folded("Show all settings", values_table(content.configuration))
    commands = [("To repeat this", content.command), ("To go on", content.next_command)]
    return [
        Section(anchor="configuration", title="Configuration", note=HINT, body=settings),
        Section(anchor="environment", title="Hardware and versions", body=values_table(content.environment)),
        Section(anchor="time", title="Time", body=blocks.times(content.seconds)),
        Section(
            anchor="commands",
            title="Commands",
            body=blocks.commands([(name, command) for name, command in commands if command]),
        ),
    ]
