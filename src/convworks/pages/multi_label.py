"""The parts of a report that tell of samples with any number of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from markupsafe import Markup

from convworks.metrics.multi_label import average_precisions, per_class
from convworks.pages import blocks, pictures
from convworks.pages.classification import folded_classes
from convworks.pages.numbers import percent
from convworks.pages.pictures import Mistake, Thumbnail
from convworks.pages.render import render
from convworks.pages.tables import Row, table

NAMES = {
    "micro_f1": "Micro F1",
    "macro_f1": "Macro F1",
    "auc": "ROC area (AUC)",
    "bce": "Log loss (nats a class)",
}
COLUMNS = ("class", "AP", "precision", "recall", "F1", "found", "missed", "wrong", "images")


def headline(
    figures: Mapping[str, Any], *, split: str, classes: int, threshold: float, chosen: str = "", note: str = ""
) -> Markup:
    """Show the mean average precision, what it was measured on, whether that chose the checkpoint.

    From the probability `threshold` on a class is an answer.
    """
    words = render(
        "multi_label/words.html",
        figures=figures,
        interval=figures["intervals"].get("map"),
        split=split,
        threshold=threshold,
        notes=blocks.notes(split, chosen, note),
    )
    facts = [
        *blocks.figure_tiles(figures, NAMES),
        ("Labels a sample", f"{figures['labels'] / figures['n']:.2f}"),
        ("Classes", f"{classes:,}"),
    ]
    beside = blocks.figures(facts, without=blocks.missing(figures, NAMES))
    return blocks.headline(f"{100 * figures['map']:.2f}", unit="%", words=words, beside=beside)


def class_table(
    probabilities: Float32[np.ndarray, "n k"],
    labels: Bool[np.ndarray, "n k"],
    predicted: Bool[np.ndarray, "n k"],
    classes: Sequence[str],
) -> Markup:
    """Tabulate average precision, precision, recall, F1 and counts of every class, the lowest AP first."""
    scores, precisions = per_class(predicted, labels), average_precisions(probabilities, labels)
    rows = []
    for i in np.argsort(np.nan_to_num(precisions), kind="stable").tolist():
        support, answers = int(scores.support[i]), int(predicted[:, i].sum())
        right = int((predicted[:, i] & labels[:, i]).sum())
        cells = (
            classes[i],
            percent(float(precisions[i])) if support else "–",
            percent(float(scores.precision[i])) if answers else "–",
            percent(float(scores.recall[i])) if support else "–",
            percent(float(scores.f1[i])) if support + answers else "–",
            *(f"{count:,}" for count in (right, support - right, answers - right, support)),
        )
        rows.append(Row(cells=cells, faint=not support, bar=float(np.nan_to_num(precisions[i]))))
    return folded_classes(table(COLUMNS, rows), len(classes))


def mistakes_grid(
    thumbnails: Sequence[Thumbnail],
    *,
    names: Sequence[str],
    true: Sequence[str],
    predicted: Sequence[str],
    losses: Sequence[float],
) -> Markup:
    """Show samples with true and predicted classes, and the loss of each."""
    rows = zip(thumbnails, names, true, predicted, losses, strict=True)
    return pictures.mistakes_grid(
        [
            Mistake(picture=picture, name=name, true=truth, predicted=answer, lines=(f"loss {loss:.2f}",))
            for picture, name, truth, answer, loss in rows
        ]
    )
