"""The report of a run: one self-contained page, and its figures and predictions as files beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from jaxtyping import UInt8

from convworks.charts import confusion as figures
from convworks.charts import ranking as ranking_figure
from convworks.charts.curves import curves
from convworks.charts.raster import to_png
from convworks.charts.svg import to_svg
from convworks.files import write_bytes
from convworks.metrics.classification import calibration, confusion_matrix
from convworks.metrics.ranking import one_against_rest, ranked_classes
from convworks.metrics.slices import Slices
from convworks.report import mistakes, page, reconstruction_page, slice_page
from convworks.report import multi_label_page as several_page
from convworks.tasks.outcomes.classification import Predictions
from convworks.tasks.outcomes.multi_label import LabelSetPredictions
from convworks.tasks.outcomes.reconstruction import Reconstructions

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
$style</style>
</head>
<body>
<main>
<header>
<p>convworks report</p>
<h1>$title</h1>
</header>
<nav>$links</nav>
$sections<footer>One file, no connections: it can be copied, mailed and printed.
Beside it: $beside.</footer>
</main>
</body>
</html>
""")
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
    predictions: Any
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
        _part("facts", "At a glance", "", page.tiles(content.facts) if content.facts else ""),
        _part("curves", "Training", CURVES, _wide(to_svg(training)) if training is not None else ""),
        *own[:-1],
        *([_part("slices", "Slices", slice_page.NOTE, slice_page.table(content.slices))] if content.slices else []),
        *own[-1:],
        *_background(content),
    ]
    sections = [section for section in sections if section[2]]
    html = PAGE.substitute(
        title=escape(content.title),
        style=Path(__file__).with_name("report.css").read_text(encoding="utf-8"),
        links=" ".join(
            [
                *(f'<a href="#{anchor}">{title}</a>' for anchor, title, _ in sections),
                *(f'<a href="{name}">{title} →</a>' for name, title in PAGES.items() if name in content.beside),
            ]
        ),
        sections=first + "".join(html for _, _, html in sections),
        beside=", ".join(_linked(name) for name in (*pictures, "predictions.csv", *content.beside)),
    )
    path = folder / "report.html"
    # A file name that is not UTF-8 shows a question mark for each odd byte.
    write_bytes(path, html.encode("utf-8", "replace"))
    return path


Part = tuple[str, str, str]
#: What comes first on the page, its own sections, and the pictures that were written beside it.
Told = tuple[str, list[Part], tuple[str, ...]]


def _made(folder: Path, content: ReportContent, found: Reconstructions) -> Told:
    """Tell of images that were made, and write them as pictures."""
    corrupted = found.corruption is not None
    first = reconstruction_page.headline(found, found.summary(), chosen=content.chosen, note=content.note)
    own = []
    for anchor, title, words, pictures in (
        ("reconstructions", "Reconstructions", EXAMPLES, found.examples),
        ("worst", "Worst reconstructions", "Those of the highest squared error.", found.worst),
    ):
        drawn = reconstruction_page.drawing(pictures, corrupted=corrupted)
        write_bytes(folder / f"{anchor}.png", to_png(drawn))
        own.append(_part(anchor, title, words, _wide(to_svg(drawn))))
    return first, own, ("reconstructions.png", "worst.png")


def _answered(folder: Path, content: ReportContent, predictions: Predictions | LabelSetPredictions) -> Told:
    """Tell of classes that were predicted, and write confusion and mistakes as pictures."""
    worst = predictions.worst(mistakes.MOST) if content.image else []
    pictures = [mistakes.as_picture(content.image(i)) for i in worst] if content.image else []

    write_bytes(folder / "errors.png", mistakes.errors(predictions, worst, pictures))

    uris = [(mistakes.tile_uri(picture), mistakes.tiny(picture)) for picture in pictures]
    chosen, note, found = content.chosen, content.note, content.figures or predictions.summary()
    ranked = _ranking(folder, predictions)
    if isinstance(predictions, LabelSetPredictions):
        first = several_page.headline(predictions, found, chosen=chosen, note=note)
        own = [
            _part("classes", "Classes", ANSWERS, several_page.class_table(predictions)),
            *ranked,
            _mistakes(predictions, worst, several_page.mistakes_grid(predictions, worst, uris), WRONG_ANSWERS),
        ]
    else:
        first = page.headline(predictions, found, chosen=chosen, note=note)
        own = [
            *_classes(folder, predictions),
            *ranked,
            _calibration(predictions),
            _mistakes(predictions, worst, page.mistakes_grid(predictions, worst, uris), WRONG_CLASSES),
        ]
    several = isinstance(predictions, LabelSetPredictions)
    return first, own, (*(() if several else ("confusion.png",)), *(["ranking.png"] if ranked else []), "errors.png")


def _linked(name: str) -> str:
    return f'<a href="{name}">{name}</a>' if name in PAGES else name


def _part(anchor: str, title: str, note: str, body: str) -> Part:
    """Return anchor, title and HTML of a section; an empty body leaves the section out."""
    return anchor, title, page.section(anchor, title, note, body) if body else ""


def _classes(folder: Path, predictions: Predictions) -> list[Part]:
    """Tell of the classes and which are taken for which; that is also written as confusion.png."""
    matrix = confusion_matrix(predictions.labels, predictions.predicted, len(predictions.classes))
    drawing = figures.confusion(matrix, predictions.classes)
    write_bytes(folder / "confusion.png", to_png(drawing))
    layout = "beside" if len(predictions.classes) <= figures.ANNOTATED else "stacked"
    confusion = _two(layout, to_svg(drawing), page.pairs_table(matrix, predictions.classes))
    return [
        _part("confusion", "Confusion", CONFUSION, confusion),
        _part("classes", "Classes", CLASSES, page.class_table(matrix, predictions.classes)),
    ]


def _ranking(folder: Path, predictions: Predictions | LabelSetPredictions) -> list[Part]:
    """Tell how well the probabilities put each class before the others; that is also written as ranking.png."""
    k = len(predictions.classes)
    if isinstance(predictions, LabelSetPredictions):
        kinds, labels = list(range(k)), predictions.labels
    else:
        kinds, labels = ranked_classes(k), one_against_rest(predictions.labels, k)
    names = [predictions.classes[i] for i in kinds]
    found = ranking_figure.ranking(names, predictions.probabilities[:, kinds], labels[:, kinds])
    if found is None:
        return []
    drawing = ranking_figure.draw(found)
    write_bytes(folder / "ranking.png", to_png(drawing))
    body = _wide(to_svg(drawing)) + ranking_figure.words(found)
    return [_part("ranking", "ROC and precision-recall", "", body)]


def _calibration(predictions: Predictions) -> Part:
    bins = calibration(predictions.probabilities, predictions.labels)
    body = _two("beside", to_svg(figures.calibration(bins)), page.calibration_words(bins))
    return _part("calibration", "Calibration", "Can the probabilities be believed?", body)


def _mistakes(predictions: Predictions | LabelSetPredictions, worst: Sequence[int], grid: str, words: str) -> Part:
    wrong = int((~predictions.correct).sum())
    note, body = "", grid
    if not wrong:
        body = f"<p>No mistakes: every sample of the {escape(predictions.split)} split is right.</p>"
    elif not worst:
        body = f"<p>The mistakes ({wrong:,}) are in predictions.csv; this report was written without images.</p>"
    else:
        which = f"All {wrong}" if len(worst) == wrong else f"{len(worst)} of {wrong:,}"
        note = f"{which}, {words}"
    return _part("mistakes", "Worst mistakes", note, body)


def _background(content: ReportContent) -> list[Part]:
    """Return the sections on how the run was made: configuration, machine, time, commands."""
    settings = page.values_table(content.configuration) if content.configuration else ""
    folded = f"<details><summary>Show all settings</summary>{settings}</details>" if settings else ""
    named = (("To repeat this", content.command), ("To go on", content.next_command))
    commands = "".join(f"<h3>{name}</h3><pre>{escape(command)}</pre>" for name, command in named if command)
    environment = page.values_table(content.environment) if content.environment else ""
    hint = "Every field can be changed with <code>--set name=value</code>."
    return [
        _part("configuration", "Configuration", hint, folded),
        _part("environment", "Hardware and versions", "", environment),
        _part("time", "Time", "", page.times(content.seconds) if content.seconds else ""),
        _part("commands", "Commands", "", commands),
    ]


def _wide(figure: str) -> str:
    return f'<div class="wide">{figure}</div>'


def _two(layout: str, left: str, right: str) -> str:
    return f'<div class="{layout}"><div>{left}</div><div>{right}</div></div>'
