"""The parts of the report's page as HTML; every name that comes from data is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Int64

from convworks.charts.lettering import shorten
from convworks.metrics.classification import Calibration, confused_pairs, per_class
from convworks.tasks.outcomes.classification import Predictions

#: Above so many classes the table of classes is folded.
FOLDED_ABOVE = 50
PAIRS = 12
Facts = Sequence[tuple[str, str]]


def section(anchor: str, title: str, note: str, body: str) -> str:
    """Wrap a part of the page with its heading and one line of explanation (already HTML)."""
    lead = f"<p>{note}</p>" if note else ""
    return f'<section id="{anchor}"><h2>{title}</h2>{lead}{body}</section>\n'


def headline(predictions: Predictions, figures: Mapping[str, Any], *, chosen: str, note: str) -> str:
    """Show the accuracy, its interval, what it was measured on, whether that chose the checkpoint."""
    n, wrong, split = figures["n"], int((~predictions.correct).sum()), escape(predictions.split)
    low, high = figures["interval"]
    samples = "1 sample" if n == 1 else f"{n:,} samples"
    mistakes = f"{wrong:,} {'is' if wrong == 1 else 'are'} wrong" if wrong else "none is wrong"
    said = [
        f'<p class="interval">95 % interval <b>{100 * low:.2f} to {percent(high)}</b></p>',
        f"<p>Accuracy on the <b>{split}</b> split: of {samples}, {mistakes}.</p>",
    ]
    said += notes(split, chosen, note)
    names = {
        "top5": "Top-5 accuracy",
        "balanced_accuracy": "Balanced accuracy",
        "macro_f1": "Macro F1",
        "auc": "ROC area (AUC)",
        "average_precision": "Average precision",
        "nll": "Log loss (nats)",
        "ece": "Calibration error",
    }
    shown = [*figure_tiles(figures, names), ("Classes", f"{len(predictions.classes):,}")]
    return large(figures["top1"], said, shown, without=missing(figures, names))


def figure_tiles(figures: Mapping[str, Any], names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the figures that there are as tiles: a name, the value, and below it the 95 % interval."""
    shown = []
    for key, name in names.items():
        if figures.get(key) is not None:
            ends = figures["intervals"].get(key)
            shown.append((name, f"{_figure(key, figures[key])}" + (f"\n{_ends(key, *ends)}" if ends else "")))
    return shown


def missing(figures: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Say which figures there are not, and why."""
    return "; ".join(f"{names[key]} is {reason}" for key, reason in figures.get("undefined", {}).items())


def _figure(key: str, value: float) -> str:
    return f"{value:.4f}" if key in ("nll", "bce") else percent(value)


def _ends(key: str, low: float, high: float) -> str:
    return f"{low:.4f} to {high:.4f}" if key in ("nll", "bce") else f"{100 * low:.2f} to {percent(high)}"


def large(share: float, said: Sequence[str], shown: Facts, *, without: str = "") -> str:
    """Show one figure in large, what is said of it, others beside it, and which there are not."""
    big = f'<div class="accuracy">{100 * share:.2f}<small>%</small></div>'
    last = f'<p class="faint">{escape(without)}.</p>' if without else ""
    beside = f'<div class="figures">{tiles(shown)}{last}</div>'
    return f'<section class="headline"><div>{big}{"".join(said)}</div>{beside}</section>\n'


def notes(split: str, chosen: str, note: str) -> list[str]:
    """Say whether a split chose what it is now asked about, and one thing more."""
    said = []
    if chosen and split == "validation":
        warning = f"The {split} split also chose {chosen}, so this accuracy is optimistic: "
        warning += "expect somewhat less on new images."
        said.append(f'<p class="note warning">{escape(warning)}</p>')
    elif chosen:
        words = f"{chosen[0].upper()}{chosen[1:]} was chosen without looking at the {split} split."
        said.append(f'<p class="note">{escape(words)}</p>')
    if note:
        said.append(f'<p class="note">{escape(note)}</p>')
    return said


def tiles(facts: Facts) -> str:
    """List labelled values, side by side; what follows in a further line of a value is small."""
    parts = ((escape(name), *map(escape, value.partition("\n")[::2])) for name, value in facts)
    items = "".join(
        f"<div><dt>{name}</dt><dd>{value}{f'<small>{small}</small>' if small else ''}</dd></div>"
        for name, value, small in parts
    )
    return f'<dl class="tiles">{items}</dl>'


def class_table(matrix: Int64[np.ndarray, "k k"], classes: Sequence[str]) -> str:
    """Tabulate precision, recall, F1 and support of every class, the lowest F1 first."""
    scores = per_class(matrix)
    rows = []
    for i in np.argsort(scores.f1, kind="stable").tolist():
        support, predicted = int(scores.support[i]), int(matrix[:, i].sum())
        cells = (
            percent(float(scores.precision[i])) if predicted else "–",
            percent(float(scores.recall[i])) if support else "–",
            percent(float(scores.f1[i])) if support + predicted else "–",
            f"{support:,}",
        )
        faint = ' class="faint"' if not support else ""
        numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
        bar = f'<td class="bar"><i style="width:{100 * scores.f1[i]:.1f}%"></i></td>'
        rows.append(f"<tr{faint}><td>{escape(classes[i])}</td>{numbers}{bar}</tr>")
    names = ("precision", "recall", "F1", "samples")
    head = "".join(f'<th class="number" scope="col">{name}</th>' for name in names)
    table = f'<thead><tr><th scope="col">class</th>{head}<th></th></tr></thead><tbody>{"".join(rows)}</tbody>'
    if len(classes) <= FOLDED_ABOVE:
        return f"<table>{table}</table>"
    return f"<details><summary>Show all {len(classes):,} classes</summary><table>{table}</table></details>"


def pairs_table(matrix: Int64[np.ndarray, "k k"], classes: Sequence[str]) -> str:
    """Tabulate the most frequent mistakes."""
    pairs = confused_pairs(matrix, PAIRS)
    if not pairs:
        return '<p class="faint">No two classes were confused.</p>'
    support = matrix.sum(1)
    rows = "".join(
        f'<tr><td>{escape(classes[a])} <span class="wrong">→ {escape(classes[b])}</span></td>'
        f'<td class="number">{count:,}</td><td class="number">{percent(count / int(support[a]))}</td></tr>'
        for a, b, count in pairs
    )
    head = '<th scope="col">true → predicted</th><th class="number" scope="col">samples</th>'
    head += '<th class="number" scope="col">of class</th>'
    return f"<h3>Most confused pairs</h3><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def calibration_words(bins: Calibration) -> str:
    """Say in words what the reliability diagram shows."""
    accuracy = float((bins.accuracy * bins.count).sum() / bins.count.sum())
    confidence = float((bins.confidence * bins.count).sum() / bins.count.sum())
    points = f"{100 * abs(confidence - accuracy):.2f}"
    side = "above" if confidence > accuracy else "below"
    told = "the two agree"
    if points != "0.00":
        told = f"its confidence is {points} percentage points {side} its accuracy"
    return (
        f"<div><p>On average the network gives its answer a probability of <b>{percent(confidence)}</b> "
        f"and is right in <b>{percent(accuracy)}</b> of cases: {told}.</p>"
        f"<p>Over {len(bins.count)} bins the two differ by <b>{percent(bins.error)}</b> "
        "(expected calibration error).</p>"
        '<p class="faint">Where the bars follow the dashed line, a probability can be read as the share '
        "of such answers that are right.</p></div>"
    )


def mistakes_grid(predictions: Predictions, samples: Sequence[int], uris: Sequence[tuple[str, bool]]) -> str:
    """Show pictures (data URI, and whether its pixels are to stay squares) with true and predicted class."""
    figures = []
    for sample, (uri, tiny) in zip(samples, uris, strict=True):
        label, guess, name = (
            predictions.labels[sample],
            predictions.predicted[sample],
            predictions.names[sample],
        )
        true, predicted = escape(predictions.classes[label]), escape(predictions.classes[guess])
        share = percent(float(predictions.confidence[sample]))
        own = percent(float(predictions.true_probability[sample]))
        pixels = ' class="pixels"' if tiny else ""
        picture = f'<div title="{escape(name)}"><img{pixels} src="{uri}" alt="{true} taken for {predicted}"></div>'
        words = f'<b>{true} <b class="wrong">→ {predicted}</b></b> {share}'
        lines = f"<span>true class {own}</span><span>{escape(shorten(name, 44))}</span>"
        figures.append(f"<figure>{picture}<figcaption>{words}{lines}</figcaption></figure>")
    return f'<div class="mistakes">{"".join(figures)}</div>'


def values_table(values: Mapping[str, Any]) -> str:
    """Tabulate nested values under dotted names, as --set takes them."""
    pairs = ((escape(name), escape(_written(value))) for name, value in _flat(values))
    rows = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in pairs)
    return f'<table class="names"><tbody>{rows}</tbody></table>'


def times(seconds: Sequence[tuple[str, float | int]]) -> str:
    """Show how long each phase took, as shares of one bar."""
    total = sum(s for _, s in seconds)
    bars, legend = [], []
    for i, (name, s) in enumerate(seconds):
        fade = f"opacity:{max(0.2, 1 - 0.22 * i):.2f}"
        bars.append(f'<i style="flex:{max(s, 0.0):.4f};{fade}" title="{escape(name)}"></i>')
        legend.append(f'<li><i style="{fade}"></i>{escape(name)} {duration(s)}</li>')
    legend.append(f"<li><b>together {duration(total)}</b></li>")
    return f'<div class="phases">{"".join(bars)}</div><ul class="legend">{"".join(legend)}</ul>'


def percent(share: float) -> str:
    """Write a fraction as percent with two decimals."""
    return f"{100 * share:.2f}\u00a0%"


def duration(seconds: float | int) -> str:
    """Write seconds as people read them."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """List the leaves of nested mappings under dotted names."""
    leaves: list[tuple[str, Any]] = []
    for name, value in values.items():
        nested = isinstance(value, Mapping) and value
        leaves += _flat(value, f"{prefix}{name}.") if nested else [(f"{prefix}{name}", value)]
    return leaves


def _written(value: Any) -> str:
    if value is None or (isinstance(value, (Mapping, list, tuple)) and not value):
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
