"""Two networks on the same images: the prediction of each for every image, from a bundle or predictions.csv."""

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

#: Columns of predictions.csv besides the paths: for one label per image, and for label sets.
ONE_CLASS = ("label", "predicted", "probability", "correct")
LABEL_SETS = ("labels", "predicted", "probabilities", "correct")
#: Maximum number of names in an error message.
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Predictions as class names, one per image; `confidence` is NaN for multi-label predictions.

    `classes` is None if a file does not list them all.
    """

    name: str
    names: tuple[str, ...]
    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    confidence: Float64[np.ndarray, " n"]
    correct: Bool[np.ndarray, " n"]
    classes: frozenset[str] | None

    def select(self, order: Sequence[int]) -> Answers:
        """Return the answers for these images, in this order."""
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
    """The answers of two networks for the same images in the same order, and their comparison."""

    first: Answers
    second: Answers
    comparison: paired.Comparison

    def only(self, *, second: bool) -> list[int]:
        """Return the images that only the first (or `second`) gets right, by descending confidence of the other."""
        right, wrong = (self.second, self.first) if second else (self.first, self.second)
        samples = np.flatnonzero(right.correct & ~wrong.correct)
        order = np.argsort(-np.nan_to_num(wrong.confidence[samples]), kind="stable")
        return [int(index) for index in samples[order]]

    def plain(self) -> dict[str, Any]:
        """Return the metrics as plain numbers and lists."""
        n, comparison = len(self.first.names), self.comparison
        both_right = int((self.first.correct & self.second.correct).sum())
        return {
            "n": n,
            "first": _accuracy(self.first),
            "second": _accuracy(self.second),
            "difference": comparison.difference,
            "difference_interval": list(comparison.interval),
            "p": comparison.p,
            "both_right": both_right,
            "only_first": comparison.lost,
            "only_second": comparison.gained,
            "both_wrong": n - both_right - comparison.lost - comparison.gained,
        }

    def write_csv(self, path: Path) -> None:
        """Write the images that only one gets right: path, label, right (first or second), both predictions."""
        order = [*self.only(second=False), *self.only(second=True)]
        first, second = self.first.select(order), self.second.select(order)
        header = ["path", "label", "right", "first", "first_probability", "second", "second_probability"]
        columns = [
            first.names,
            first.labels,
            ["first" if right else "second" for right in first.correct.tolist()],
            first.predicted,
            _probability_texts(first),
            second.predicted,
            _probability_texts(second),
        ]
        write_csv(path, header, zip(*columns, strict=True))


def _accuracy(answers: Answers) -> dict[str, Any]:
    n, right = len(answers.names), int(answers.correct.sum())
    return {"name": answers.name, "accuracy": right / n, "interval": list(wilson_interval(right, n)), "correct": right}


def _probability_texts(answers: Answers) -> list[str]:
    return ["" if text == "nan" else text for text in decimals(answers.confidence.astype(np.float32))]


def from_outcome(name: str, predictions: Judged) -> Answers:
    """Return the predictions of an outcome as class names."""
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
    """Read a predictions.csv; raises InputError for any other file."""
    rows = read_rows(path, (PATH, "predicted", "correct"))
    if not rows:
        raise InputError(path, "has no rows", "give a predictions.csv with one line per image")
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
        index = int((correct != stated).argmax())
        reason = f"says of {names[index]} that {rows[index]['predicted']!r} for {rows[index][label]!r} is "
        raise InputError(path, reason + ("right" if stated[index] else "wrong"), "give the file as it was written")
    try:
        confidence = np.array([float(row.get(probability, "nan")) if label == ONE_CLASS[0] else np.nan for row in rows])
    except ValueError:
        raise InputError(path, f"has a {probability} that is not a number", "give the file as it was written") from None
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
    """Raise InputError if two networks, as (name, classes), have different classes; it lists the differences."""
    (first_name, first_classes), (second_name, second_classes) = first, second
    if first_classes is None or second_classes is None:
        return
    first_classes, second_classes = frozenset(map(nfc, first_classes)), frozenset(map(nfc, second_classes))
    if first_classes == second_classes:
        return
    differences = ((first_name, first_classes - second_classes), (second_name, second_classes - first_classes))
    parts = [f"only {name} knows {_listed(sorted(extra))}" for name, extra in differences if extra]
    raise InputError(
        second_name,
        f"has different classes from {first_name}: {'; '.join(parts)}",
        "compare networks with the same classes",
    )


def pair(first: Answers, second: Answers) -> Pair:
    """Align the answers of two networks; raises InputError if classes, images or true classes differ."""
    check_classes((first.name, first.classes), (second.name, second.classes))
    indices = list(map(finder(second.names), first.names))
    for answers, matches in ((first, indices), (second, list(map(finder(first.names), second.names)))):
        missing = [name for name, index in zip(answers.names, matches, strict=True) if index is None]
        if missing:
            reason = f"{len(missing):,} of {len(answers.names):,} images are not among those of the other: "
            raise InputError(answers.name, reason + _listed(missing), "compare predictions for the same images")
    ordered = second.select([index for index in indices if index is not None])
    for name, a, b in zip(first.names, first.labels, ordered.labels, strict=True):
        if nfc(a) != nfc(b):
            reason = f"says that {name} is {b!r}, {first.name} that it is {a!r}"
            raise InputError(second.name, reason, "compare predictions for the same labels")
    return Pair(first=first, second=ordered, comparison=paired.compare(first.correct, ordered.correct))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
