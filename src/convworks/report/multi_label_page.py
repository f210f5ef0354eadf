"""The parts of the report's page that tell of samples with any number of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from convworks.charts.lettering import shorten
from convworks.metrics.multi_label import average_precisions, per_class
from convworks.report.page import FOLDED_ABOVE, Facts, figure_tiles, large, missing, notes, percent
from convworks.tasks.activations import THRESHOLD
from convworks.tasks.outcomes.multi_label import LabelSetPredictions

NAMES = ("AP", "precision", "recall", "F1", "found", "missed", "wrong", "images")


def headline(predictions: LabelSetPredictions, figures: Mapping[str, Any], *, chosen: str, note: str) -> str:
    """Show the mean average precision, what it was measured on, whether that chose the checkpoint."""
    n, split = figures["n"], escape(predictions.split)
    low, high = figures["exact_match_interval"]
    ends = figures["intervals"].get("map")
    interval = f'<p class="interval">95 % interval <b>{100 * ends[0]:.2f} to {percent(ends[1])}</b></p>' if ends else ""
    said = [
        interval,
        f"<p>Mean average precision (mAP) on the <b>{split}</b> split, {n:,} samples with {figures['labels']:,} "
        "labels: the mean over the classes that occur.</p>",
        f"<p>Every class is an answer from a probability of {THRESHOLD:g} on; <b>{percent(figures['exact_match'])}</b> "
        f"of the samples are all right (95 % interval {100 * low:.2f} to {percent(high)}).</p>",
        *notes(split, chosen, note),
    ]
    names = {
        "micro_f1": "Micro F1",
        "macro_f1": "Macro F1",
        "auc": "ROC area (AUC)",
        "bce": "Log loss (nats a class)",
    }
    shown: Facts = [
        *figure_tiles(figures, names),
        ("Labels a sample", f"{figures['labels'] / n:.2f}"),
        ("Classes", f"{len(predictions.classes):,}"),
    ]
    return large(figures["map"], said, shown, without=missing(figures, names))


def class_table(predictions: LabelSetPredictions) -> str:
    """Tabulate average precision, precision, recall, F1 and counts of every class, the lowest AP first."""
    labels, predicted = predictions.labels, predictions.predicted
    scores = per_class(predicted, labels)
    ranks = average_precisions(predictions.probabilities, labels)
    rows = []
    for i in np.argsort(np.nan_to_num(ranks), kind="stable").tolist():
        support, answers = int(scores.support[i]), int(predicted[:, i].sum())
        found = int((predicted[:, i] & labels[:, i]).sum())
        cells = (
            percent(float(ranks[i])) if support else "–",
            percent(float(scores.precision[i])) if answers else "–",
            percent(float(scores.recall[i])) if support else "–",
            percent(float(scores.f1[i])) if support + answers else "–",
            *(f"{count:,}" for count in (found, support - found, answers - found, support)),
        )
        faint = ' class="faint"' if not support else ""
        numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
        bar = f'<td class="bar"><i style="width:{100 * float(np.nan_to_num(ranks[i])):.1f}%"></i></td>'
        rows.append(f"<tr{faint}><td>{escape(predictions.classes[i])}</td>{numbers}{bar}</tr>")
    head = "".join(f'<th class="number" scope="col">{name}</th>' for name in NAMES)
    table = f'<thead><tr><th scope="col">class</th>{head}<th></th></tr></thead><tbody>{"".join(rows)}</tbody>'
    if len(predictions.classes) <= FOLDED_ABOVE:
        return f"<table>{table}</table>"
    return f"<details><summary>Show all {len(predictions.classes):,} classes</summary><table>{table}</table></details>"


def mistakes_grid(predictions: LabelSetPredictions, samples: Sequence[int], uris: Sequence[tuple[str, bool]]) -> str:
    """Show pictures (data URI, and whether its pixels are to stay squares) with true and predicted classes."""
    figures = []
    for sample, (uri, tiny) in zip(samples, uris, strict=True):
        true, predicted = (
            escape(text) or "nothing" for text in (predictions.true_name(sample), predictions.predicted_name(sample))
        )
        pixels = ' class="pixels"' if tiny else ""
        name = predictions.names[sample]
        picture = f'<div title="{escape(name)}"><img{pixels} src="{uri}" alt="{true} taken for {predicted}"></div>'
        words = f'<b>{true} <b class="wrong">→ {predicted}</b></b>'
        lines = f"<span>loss {predictions.losses[sample]:.2f}</span><span>{escape(shorten(name, 44))}</span>"
        figures.append(f"<figure>{picture}<figcaption>{words}{lines}</figcaption></figure>")
    return f'<div class="mistakes">{"".join(figures)}</div>'
