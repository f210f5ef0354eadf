"""What a network said about the samples of one split, and the CSV file that keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from convworks.csv_files import decimals, write_csv
from convworks.errors import InputError, RunError

#: Above so many classes predictions.csv keeps only the predicted class's probability.
CSV_CLASSES = 20


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a network said about the n samples of one split, over k classes."""

    split: str
    names: tuple[str, ...]
    classes: tuple[str, ...]
    labels: Int64[np.ndarray, " n"]
    probabilities: Float32[np.ndarray, "n k"]

    def __post_init__(self) -> None:
        """Refuse what no metric is defined for: no samples, shapes that disagree, numbers that are none."""
        where, n, k = (
            check(self.split, self.names, self.classes, self.probabilities),
            len(self.names),
            len(self.classes),
        )
        if self.labels.shape != (n,):
            reason = f"shapes disagree: labels {self.labels.shape}, {n} names"
            raise InputError(where, reason, "give one label a name")
        if self.labels.min() < 0 or self.labels.max() >= k:
            raise InputError(
                where,
                f"labels run from {self.labels.min()} to {self.labels.max()}, classes from 0 to {k - 1}",
                "give the classes of the labels",
            )

    @cached_property
    def predicted(self) -> Int64[np.ndarray, " n"]:
        """The most probable class of each sample; among equals the first."""
        first: Int64[np.ndarray, " n"] = self.probabilities.argmax(1).astype(np.int64)
        return first

    @cached_property
    def confidence(self) -> Float32[np.ndarray, " n"]:
        """The probability of the predicted class."""
        highest: Float32[np.ndarray, " n"] = self.probabilities.max(1)
        return highest

    @cached_property
    def correct(self) -> Bool[np.ndarray, " n"]:
        """Whether the predicted class is the true one."""
        equal: Bool[np.ndarray, " n"] = self.predicted == self.labels
        return equal

    @cached_property
    def true_probability(self) -> Float32[np.ndarray, " n"]:
        """The probability that was given to the true class."""
        own: Float32[np.ndarray, " n"] = self.probabilities[np.arange(len(self.labels)), self.labels]
        return own

    def worst(self, limit: int) -> list[int]:
        """Return the samples that are wrong, the highest loss on the true class first, at most `limit`."""
        order = np.argsort(self.true_probability, kind="stable")
        return [int(i) for i in order[~self.correct[order]][:limit]]

    def write_csv(self, path: Path) -> None:
        """Write path, label, predicted, probability, correct, p:CLASS (few classes); one row a sample."""
        few = len(self.classes) <= CSV_CLASSES
        header = ["path", "label", "predicted", "probability", "correct"]
        columns: list[Any] = [
            self.names,
            [self.classes[i] for i in self.labels.tolist()],
            [self.classes[i] for i in self.predicted.tolist()],
            decimals(self.confidence),
            self.correct.astype(int).tolist(),
        ]
        if few:
            header += [f"p:{name}" for name in self.classes]
            columns += [decimals(column) for column in self.probabilities.T]
        write_csv(path, header, zip(*columns, strict=True))


def check(
    split: str, names: tuple[str, ...], classes: tuple[str, ...], probabilities: Float32[np.ndarray, "n k"]
) -> str:
    """Refuse no samples, a shape other than [names, classes], numbers that are no probabilities; return the place."""
    n, k, where = len(names), len(classes), f"predictions of split {split!r}"
    if n == 0 or k == 0:
        raise InputError(
            where,
            f"hold {n} samples of {k} classes, at least one of each is needed",
            "give a split with samples",
        )
    if probabilities.shape != (n, k):
        given = f"probabilities {probabilities.shape}, {n} names"
        raise InputError(where, f"shapes disagree: {given}, {k} classes", "give one row of k probabilities a name")
    bad = ~(probabilities >= 0).all(1) | ~(probabilities <= 1.001).all(1)
    if bad.any():
        first = names[int(bad.argmax())]
        raise RunError(
            where,
            f"{bad.sum()} of {n} rows hold numbers outside 0..1, the first for {first!r}",
            "look for NaN in the training loss",
        )
    return where
