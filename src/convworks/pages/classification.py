"""Report sections for classification with one class per sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64
from markupsafe import Markup

from convworks.charts.confusion import ANNOTATED
from convworks.charts.drawing import Drawing
from convworks.metrics.classification import Calibration, confused_pairs, per_class
from convworks.pages import blocks, pictures
from convworks.pages.numbers import percent
from convworks.pages.pictures import Mistake, Thumbnail
from convworks.pages.render import render
from convworks.pages.tables import Row, table

#: Above this many classes, the table of classes is folded.
FOLDED_ABOVE = 50
PAIRS = 12
NAMES = {
    "top5": "Top-5 accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "auc": "ROC area (AUC)",
    "average_precision": "Average precision",
    "nll": "Log loss (nats)",
    "ece": "Calibration error",
}


def headline(
    metrics: Mapping[str, Any], *, split: str, wrong: int, classes: int, chosen: str = "", note: str = ""
) -> Markup:
    """Show the accuracy, its interval, the split, and whether that split selected the checkpoint."""
    words = render(
        "classification/words.html",
        figures=metrics,
        split=split,
        wrong=wrong,
        notes=blocks.notes(split, chosen, note),
    )
    facts = [*blocks.figure_tiles(metrics, NAMES), ("Classes", f"{classes:,}")]
    beside = blocks.figures(facts, without=blocks.missing(metrics, NAMES))
    return blocks.headline(f"{100 * metrics['top1']:.2f}", unit="%", words=words, beside=beside)


def confusion(drawing: Drawing, matrix: Int64[np.ndarray, "k k"], classes: Sequence[str]) -> Markup:
    """Show a confusion matrix with the most frequent mistakes, beside it if the matrix is small.

    Of two classes the matrix says it all.
    """
    if len(classes) == 2:
        return blocks.narrow(drawing)
    layout = "beside" if len(classes) <= ANNOTATED else "stacked"
    return blocks.two(layout, drawing, pairs_table(matrix, classes))


def class_table(matrix: Int64[np.ndarray, "k k"], classes: Sequence[str]) -> Markup:
    """Tabulate precision, recall, F1 and support of every class, the lowest F1 first."""
    scores = per_class(matrix)
    rows = []
    for i in np.argsort(scores.f1, kind="stable").tolist():
        support, predicted = int(scores.support[i]), int(matrix[:, i].sum())
        cells = (
            classes[i],
            percent(float(scores.precision[i])) if predicted else "–",
            percent(float(scores.recall[i])) if support else "–",
            percent(float(scores.f1[i])) if support + predicted else "–",
            f"{support:,}",
        )
        rows.append(Row(cells=cells, faint=not support, bar=float(scores.f1[i])))
    return folded_classes(table(("class", "precision", "recall", "F1", "images"), rows), len(classes))


def folded_classes(classes_table: Markup, classes: int) -> Markup:
    """Fold a table of classes if there are many."""
    return classes_table if classes <= FOLDED_ABOVE else blocks.folded(f"Show all {classes:,} classes", classes_table)


def pairs_table(matrix: Int64[np.ndarray, "k k"], classes: Sequence[str]) -> Markup:
    """Tabulate the most frequent mistakes."""
    support = matrix.sum(1)
    rows = [
        Row(cells=(_taken_for(classes[a], classes[b]), f"{count:,}", percent(count / int(support[a]))))
        for a, b, count in confused_pairs(matrix, PAIRS)
    ]
    pairs = table(("true → predicted", "images", "of class"), rows) if rows else Markup("")
    return render("classification/pairs.html", table=pairs)


def calibration_words(bins: Calibration) -> Markup:
    """Summarise the reliability diagram in words."""
    accuracy = float((bins.accuracy * bins.count).sum() / bins.count.sum())
    confidence = float((bins.confidence * bins.count).sum() / bins.count.sum())
    points = f"{100 * abs(confidence - accuracy):.2f}"
    return render(
        "classification/calibration.html",
        accuracy=accuracy,
        confidence=confidence,
        points=points if points != "0.00" else "",
        side="above" if confidence > accuracy else "below",
        bins=len(bins.count),
        error=bins.error,
    )


def mistakes_grid(
    samples: Sequence[int],
    thumbnails: Sequence[Thumbnail],
    *,
    names: Sequence[str],
    classes: Sequence[str],
    labels: Int64[np.ndarray, " n"],
    probabilities: Float32[np.ndarray, "n k"],
) -> Markup:
    """Show samples of a split with true and predicted class and their probabilities."""
    mistakes = []
    for sample, thumbnail in zip(samples, thumbnails, strict=True):
        label, predicted = int(labels[sample]), int(probabilities[sample].argmax())
        mistakes.append(
            Mistake(
                picture=thumbnail,
                name=names[sample],
                true=classes[label],
                predicted=classes[predicted],
                probability=float(probabilities[sample, predicted]),
                lines=(f"true class {percent(float(probabilities[sample, label]))}",),
            )
        )
    return pictures.mistakes_grid(mistakes)


def _taken_for(true: str, predicted: str) -> Markup:
    return Markup('{} <span class="wrong">→ {}</span>').format(true, predicted)
