"""Two networks on the same images: what each said of every image, from a bundle or from predictions.csv."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from convworks.csv_files import decimals, write_csv
from convworks.data.labels import finder, nfc
from convworks.errors import InputError
from convworks.metrics import compare as paired
from convworks.metrics.classification import wilson_interval
from convworks.metrics.slices import PATH, read_rows
from convworks.tasks.outcome import Judged

#: What predictions.csv writes beside the paths: of images with one label, or with any number.
ONE_CLASS = ("label", "predicted", "probability", "correct")
LABEL_SETS = ("labels", "predicted", "probabilities", "correct")
#: How many names an error tells.
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was said of each image in words; `confidence` is nan where an image may show any number of classes.

    `classes` are None where a file does not name them all.
    """

    name: str
    names: tuple[str, ...]
    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    confidence: Float64[np.ndarray, " n"]
    correct: Bool[np.ndarray, " n"]
    classes: frozenset[str] | None

    def select(self, order: Sequence[int]) -> Answers:
        """Return the answers of these images, in this order."""
        return Answers(
            name=self.name,
            names=tuple(self.names[i] for i in order),
            labels=tuple(self.labels[i] for i in order),
            predicted=tuple(self.predicted[i] for i in order),
            confidence=self.confidence[list(order)],
            correct=self.correct[list(order)],
            classes=self.classes,
        )


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The answers of two to the same images, in the same order, and how they differ."""

    first: Answers
    second: Answers
    comparison: paired.Comparison

    def only(self, *, second: bool) -> list[int]:
        """Return the images that only the second has right, or only the first; the surer answers of the other first."""
        right, wrong = (self.second, self.first) if second else (self.first, self.second)
        chosen = np.flatnonzero(right.correct & ~wrong.correct)
        order = np.argsort(-np.nan_to_num(wrong.confidence[chosen]), kind="stable")
        return [int(at) for at in chosen[order]]

    def plain(self) -> dict[str, Any]:
        """Return the figures as numbers and lists."""
        n, found = len(self.first.names), self.comparison
        both = int((self.first.correct & self.second.correct).sum())
        return {
            "n": n,
            "first": _share(self.first),
            "second": _share(self.second),
            "difference": found.difference,
            "difference_interval": list(found.interval),
            "p": found.p,
            "both_right": both,
            "only_first": found.lost,
            "only_second": found.gained,
            "both_wrong": n - both - found.lost - found.gained,
        }

    def write_csv(self, path: Path) -> None:
        """Write the images that only one has right: path, label, right (first or second), and what both said."""
        order = [*self.only(second=False), *self.only(second=True)]
        a, b = self.first.select(order), self.second.select(order)
        header = ["path", "label", "right", "first", "first_probability", "second", "second_probability"]
        columns = [
            a.names,
            a.labels,
            ["first" if right else "second" for right in a.correct.tolist()],
            a.predicted,
            _written(a),
            b.predicted,
            _written(b),
        ]
        write_csv(path, header, zip(*columns, strict=True))


def _share(answers: Answers) -> dict[str, Any]:
    n, right = len(answers.names), int(answers.correct.sum())
    return {"name": answers.name, "accuracy": right / n, "interval": list(wilson_interval(right, n)), "correct": right}


def _written(answers: Answers) -> list[str]:
    return ["" if text == "nan" else text for text in decimals(answers.confidence.astype(np.float32))]


def told(name: str, predictions: Judged) -> Answers:
    """Return predictions in words."""
    samples = range(len(predictions.names))
    return Answers(
        name=name,
        names=predictions.names,
        labels=tuple([predictions.true_name(i) for i in samples]),
        predicted=tuple([predictions.predicted_name(i) for i in samples]),
        confidence=predictions.confidence.astype(np.float64),
        correct=predictions.correct,
        classes=frozenset(predictions.classes),
    )


def read_answers(path: Path) -> Answers:
    """Read a predictions.csv; raises InputError for a file that is none."""
    rows = read_rows(path, (PATH, "predicted", "correct"))
    if not rows:
        raise InputError(path, "has no rows", "give a predictions.csv with a line for each image")
    label, _, probability, _ = LABEL_SETS if LABEL_SETS[0] in rows[0] else ONE_CLASS
    if label not in rows[0]:
        raise InputError(path, "has no column 'label'", f"it has: {', '.join(rows[0])}")
    names = tuple(row[PATH] for row in rows)
    if len(set(names)) < len(names):
        first = Counter(names).most_common(1)[0][0]
        raise InputError(path, f"names {first} more than once", "give a file that names each image once")
    correct = np.array([row[label] == row["predicted"] for row in rows])
    stated = np.array([row["correct"] == "1" for row in rows])
    if (correct != stated).any():
        at = int((correct != stated).argmax())
        reason = f"says of {names[at]} that {rows[at]['predicted']!r} for {rows[at][label]!r} is "
        raise InputError(path, reason + ("right" if stated[at] else "wrong"), "give the file as it was written")
    try:
        confidence = np.array([float(row.get(probability, "nan")) if label == ONE_CLASS[0] else np.nan for row in rows])
    except ValueError:
        raise InputError(path, f"has a {probability} that is no number", "give the file as it was written") from None
    classes = frozenset(name[2:] for name in rows[0] if name.startswith("p:"))
    return Answers(
        name=str(path),
        names=names,
        labels=tuple(row[label] for row in rows),
        predicted=tuple(row["predicted"] for row in rows),
        confidence=confidence,
        correct=correct,
        classes=classes or None,
    )


def check_classes(first: tuple[str, frozenset[str] | None], second: tuple[str, frozenset[str] | None]) -> None:
    """Raise InputError where two, given by names and classes, know different classes: it names them."""
    (one, these), (other, those) = first, second
    if these is None or those is None:
        return
    these, those = frozenset(map(nfc, these)), frozenset(map(nfc, those))
    if these == those:
        return
    known = ((one, these - those), (other, those - these))
    parts = [f"only {name} knows {_listed(sorted(more))}" for name, more in known if more]
    raise InputError(other, f"has other classes than {one}: {'; '.join(parts)}", "compare networks of the same classes")


def pair(first: Answers, second: Answers) -> Pair:
    """Put the answers side by side; raises InputError where classes, images or true classes differ."""
    check_classes((first.name, first.classes), (second.name, second.classes))
    places = list(map(finder(second.names), first.names))
    for one, found in ((first, places), (second, list(map(finder(first.names), second.names)))):
        missing = [name for name, place in zip(one.names, found, strict=True) if place is None]
        if missing:
            reason = f"{len(missing):,} of {len(one.names):,} images are not among those of the other: "
            raise InputError(one.name, reason + _listed(missing), "compare answers to the same images")
    ordered = second.select([place for place in places if place is not None])
    for name, a, b in zip(first.names, first.labels, ordered.labels, strict=True):
        if nfc(a) != nfc(b):
            reason = f"says that {name} is {b!r}, {first.name} that it is {a!r}"
            raise InputError(second.name, reason, "compare answers to the same labels")
    return Pair(first=first, second=ordered, comparison=paired.compare(first.correct, ordered.correct))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
