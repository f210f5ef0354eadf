"""Report sections for networks that name the class of every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from markupsafe import Markup
from PIL import Image

from convworks.charts.confusion import ANNOTATED
from convworks.charts.drawing import PALETTE, Drawing
from convworks.charts.lettering import ending
from convworks.charts.raster import DENSITY
from convworks.metrics.classification import confused_pairs
from convworks.pages import blocks
from convworks.pages.classification import PAIRS, folded_classes
from convworks.pages.numbers import percent, percent_interval
from convworks.pages.pictures import Thumbnail
from convworks.pages.render import render
from convworks.pages.tables import Row, table

NAMES = {
    "mean_dice": "Mean Dice",
    "pixel_accuracy": "Pixel accuracy",
    "boundary_f1": "Boundary F1",
    "pixel_error": "Pixel error",
    "rand_error": "Rand error",
    "ece": "Calibration error",
}
TITLES = ("image", "mask", "prediction", "errors")
GAP = 6


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sample: its name, its mean IoU, and its pictures in the order of TITLES."""

    name: str
    score: float
    pictures: Sequence[Thumbnail]

    @property
    def titled(self) -> list[tuple[str, Thumbnail]]:
        """The pictures with their titles."""
        return list(zip(TITLES, self.pictures, strict=True))


def headline(metrics: Mapping[str, Any], *, split: str, chosen: str = "", note: str = "") -> Markup:
    """Show the mean IoU, its interval, the split, and how many classes it is a mean of."""
    classes = metrics["classes"]
    words = render(
        "segmentation/words.html",
        figures=metrics,
        interval=metrics["intervals"].get("mean_iou"),
        split=split,
        classes=len(classes),
        absent=[name for name, scores in classes.items() if scores["iou"] is None],
        notes=blocks.notes(split, chosen, note),
    )
    facts = [*blocks.figure_tiles(metrics, NAMES), ("Classes", f"{len(classes):,}")]
    beside = blocks.figures(facts, without=blocks.missing(metrics, NAMES))
    return blocks.headline(f"{100 * metrics['mean_iou']:.2f}", unit="%", words=words, beside=beside)


def class_table(metrics: Mapping[str, Any], matrix: Int64[np.ndarray, "k k"], classes: Sequence[str]) -> Markup:
    """Tabulate IoU with its interval, Dice, precision, recall and pixels of every class, the lowest IoU first."""
    rows = []
    scores = [metrics["classes"][name] for name in classes]
    order = sorted(range(len(classes)), key=lambda number: scores[number]["iou"] or 0.0)
    for number in order:
        each, right = scores[number], int(matrix[number, number])
        pixels, predicted = int(matrix[number].sum()), int(matrix[:, number].sum())
        cells = (
            classes[number],
            _percent(each["iou"]),
            percent_interval(*each["iou_interval"]) if each["iou_interval"] else "–",
            _percent(each["dice"]),
            _percent(right / predicted if predicted else None),
            _percent(right / pixels if pixels else None),
            f"{pixels:,}",
        )
        rows.append(Row(cells=cells, faint=not pixels, bar=each["iou"] or 0.0))
    header = ("class", "IoU", "95 % interval", "Dice", "precision", "recall", "pixels")
    return folded_classes(table(header, rows), len(classes))


def confusion(drawing: Drawing, matrix: Int64[np.ndarray, "k k"], classes: Sequence[str]) -> Markup:
    """Show a confusion matrix of pixels with the most frequent mistakes; of two classes the matrix says it all."""
    if len(classes) == 2:
        return blocks.narrow(drawing)
    support = matrix.sum(1)
    rows = [
        Row(cells=(_taken_for(classes[a], classes[b]), f"{count:,}", percent(count / int(support[a]))))
        for a, b, count in confused_pairs(matrix, PAIRS)
    ]
    pairs = table(("true → predicted", "pixels", "of class"), rows) if rows else Markup("")
    layout = "beside" if len(classes) <= ANNOTATED else "stacked"
    return blocks.two(layout, drawing, render("classification/pairs.html", table=pairs))


def samples(examples: Sequence[Sample], colours: Sequence[tuple[str, str]]) -> Markup:
    """Show the pictures of each sample side by side, below the names of classes with their colours; empty for none."""
    if not examples:
        return Markup("")
    rows = [(each, ending(each.name, 60)) for each in examples]
    return render("segmentation/samples.html", rows=rows, colours=colours)


def side_by_side(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Return pictures as one: those of a sample in a row."""
    gap = GAP * DENSITY
    widths = [max(row[column].width for row in rows) for column in range(len(rows[0]))]
    heights = [max(picture.height for picture in row) for row in rows]
    size = (sum(widths) + gap * (len(widths) + 1), sum(heights) + gap * (len(heights) + 1))
    sheet = Image.new("RGB", size, PALETTE["paper"])
    top = gap
    for row, height in zip(rows, heights, strict=True):
        left = gap
        for picture, width in zip(row, widths, strict=True):
            sheet.paste(picture.convert("RGB"), (left, top))
            left += width + gap
        top += height + gap
    return sheet


def _percent(value: float | None) -> str:
    return "–" if value is None else percent(value)


def _taken_for(true: str, predicted: str) -> Markup:
    return Markup('{} <span class="wrong">→ {}</span>').format(true, predicted)
