"""What a network said about samples of any number of labels, and the CSV file that keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64

from convworks.csv_files import decimals, write_csv
from convworks.data.labels import SEPARATOR, Labels, is_several, told
from convworks.errors import InputError
from convworks.tasks.classification import CSV_CLASSES, Predictions, check

#: A class of at least this probability is an answer.
THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class SeveralPredictions:
    """What a network said about the n samples of one split, over k classes of which each may show any number."""

    split: str
    names: tuple[str, ...]
    classes: tuple[str, ...]
    labels: Bool[np.ndarray, "n k"]
    probabilities: Float32[np.ndarray, "n k"]

    def __post_init__(self) -> None:
        """Refuse what no metric is defined for: no samples, shapes that disagree, numbers that are none."""
        where = check(self.split, self.names, self.classes, self.probabilities)
        if self.labels.shape != self.probabilities.shape:
            reason = f"shapes disagree: labels {self.labels.shape}, probabilities {self.probabilities.shape}"
            raise InputError(where, reason, "give a row of k labels and one of k probabilities a name")

    @cached_property
    def predicted(self) -> Bool[np.ndarray, "n k"]:
        """The classes of at least THRESHOLD."""
        return np.asarray(self.probabilities >= THRESHOLD)

    @cached_property
    def correct(self) -> Bool[np.ndarray, " n"]:
        """Whether the predicted classes are the true ones, all of them and no other."""
        return np.asarray((self.predicted == self.labels).all(1))

    @cached_property
    def losses(self) -> Float64[np.ndarray, " n"]:
        """The binary cross-entropy of each sample, the mean over classes, in nats."""
        own = np.where(self.labels, self.probabilities, 1 - self.probabilities).astype(np.float64)
        return np.asarray(-np.log(own.clip(np.finfo(np.float32).tiny, 1)).mean(1))

    def worst(self, limit: int) -> list[int]:
        """Return the samples that are not all right, the highest loss first, at most `limit`."""
        order = np.argsort(-self.losses, kind="stable")
        return [int(i) for i in order[~self.correct[order]][:limit]]

    def true_names(self, sample: int) -> str:
        """Return the true classes of a sample, as `cat;dog`."""
        return told(self.labels, sample, self.classes)

    def predicted_names(self, sample: int) -> str:
        """Return the predicted classes of a sample, as `cat;dog`."""
        return told(self.predicted, sample, self.classes)

    def write_csv(self, path: Path) -> None:
        """Write path, labels, predicted, probabilities (of these), correct, p:CLASS (few classes); one row a sample."""
        samples = range(len(self.names))
        header = ["path", "labels", "predicted", "probabilities", "correct"]
        columns: list[object] = [
            self.names,
            [self.true_names(i) for i in samples],
            [self.predicted_names(i) for i in samples],
            [SEPARATOR.join(decimals(self.probabilities[i][self.predicted[i]])) for i in samples],
            self.correct.astype(int).tolist(),
        ]
        if len(self.classes) <= CSV_CLASSES:
            header += [f"p:{name}" for name in self.classes]
            columns += [decimals(column) for column in self.probabilities.T]
        write_csv(path, header, zip(*columns, strict=True))


Predicted = Predictions | SeveralPredictions


def make_predictions(
    *,
    split: str,
    names: tuple[str, ...],
    classes: tuple[str, ...],
    labels: Labels,
    probabilities: Float32[np.ndarray, "n k"],
) -> Predicted:
    """Return predictions of the kind that the labels are."""
    kind = SeveralPredictions if is_several(labels) else Predictions
    return kind(split=split, names=names, classes=classes, labels=labels, probabilities=probabilities)
