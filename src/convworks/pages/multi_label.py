"""Report sections for multi-label classification."""

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
    "bce": "Log loss (nats per class)",
}
COLUMNS = ("class", "AP", "precision", "recall", "F1", "found", "missed", "wrong", "images")


def headline(
    metrics: Mapping[str, Any], *, split: str, classes: int, threshold: float, chosen: str = "", note: str = ""
) -> Markup:
    """Show the mean average precision, the split, and whether that split selected the checkpoint.

    Classes with a probability of at least `threshold` are predicted.
    """
    words = render(
        "multi_label/words.html",
        figures=metrics,
        interval=metrics["intervals"].get("map"),
        split=split,
        threshold=threshold,
        notes=blocks.notes(split, chosen, note),
    )
    facts = [
        *blocks.figure_tiles(metrics, NAMES),
        ("Labels per image", f"{metrics['labels'] / metrics['n']:.2f}"),
        ("Classes", f"{classes:,}"),
    ]
    beside = blocks.figures(facts, without=blocks.missing(metrics, NAMES))
    return blocks.headline(f"{100 * metrics['map']:.2f}", unit="%", words=words, beside=beside)


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
        support, predicted_count = int(scores.support[i]), int(predicted[:, i].sum())
        true_positives = int((predicted[:, i] & labels[:, i]).sum())
        cells = (
            classes[i],
            percent(float(precisions[i])) if support else "–",
            percent(float(scores.precision[i])) if predicted_count else "–",
            percent(float(scores.recall[i])) if support else "–",
            percent(float(scores.f1[i])) if support + predicted_count else "–",
            *(
                f"{count:,}"
                for count in (true_positives, support - true_positives, predicted_count - true_positives, support)
            ),
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
