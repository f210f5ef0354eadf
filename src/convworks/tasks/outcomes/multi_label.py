"""Predictions for multi-label samples, and their CSV file."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64

from convworks.charts.lettering import shown as has_glyphs
from convworks.csv_files import decimals, write_csv
from convworks.data.labels import SEPARATOR, label_text
from convworks.errors import InputError
from convworks.metrics import multi_label, ranking
from convworks.metrics.classification import wilson_interval
from convworks.metrics.multi_label import THRESHOLD
from convworks.pages.blocks import Section
from convworks.pages.mistakes import Caption, caption
from convworks.pages.numbers import percent
from convworks.tasks.outcomes import intervals
from convworks.tasks.outcomes.classification import CSV_CLASSES, check, known, undefined
from convworks.tasks.sections import multi_label as sections
from convworks.tasks.shown import ErrorWords, Page, Shown

#: Why a metric is None.
NO_LABELS = "not defined: no class has samples that show it and others that do not"


@dataclass(frozen=True, kw_only=True)
class LabelSetPredictions:
    """What a network said about the n samples of one split, over k classes of which each may show any number."""

    split: str
    names: tuple[str, ...]
    classes: tuple[str, ...]
    labels: Bool[np.ndarray, "n k"]
    probabilities: Float32[np.ndarray, "n k"]
    threshold: float = THRESHOLD

    def __post_init__(self) -> None:
        """Refuse what no metric is defined for: no samples, shapes that disagree, numbers that are none."""
        where = check(self.split, self.names, self.classes, self.probabilities)
        if self.labels.shape != self.probabilities.shape:
            reason = f"shapes disagree: labels {self.labels.shape}, probabilities {self.probabilities.shape}"
            raise InputError(where, reason, "give a row of k labels and one of k probabilities a name")

    @cached_property
    def predicted(self) -> Bool[np.ndarray, "n k"]:
        """The classes with a probability of at least the threshold."""
        return np.asarray(self.probabilities >= self.threshold)

    @cached_property
    def correct(self) -> Bool[np.ndarray, " n"]:
        """Whether the predicted classes are the true ones, all of them and no other."""
        return np.asarray((self.predicted == self.labels).all(1))

    @cached_property
    def losses(self) -> Float64[np.ndarray, " n"]:
        """The binary cross-entropy of each sample, the mean over classes, in nats."""
        own = np.where(self.labels, self.probabilities, 1 - self.probabilities).astype(np.float64)
        return np.asarray(-np.log(own.clip(np.finfo(np.float32).tiny, 1)).mean(1))

    @property
    def confidence(self) -> Float64[np.ndarray, " n"]:
        """No single probability is that of an answer."""
        return np.full(len(self.names), np.nan)

    @property
    def shown(self) -> Bool[np.ndarray, "n k"]:
        """Whether each sample shows each class."""
        return self.labels

    @property
    def ranked(self) -> list[int]:
        """The classes whose ranking is drawn."""
        return list(range(len(self.classes)))

    @property
    def sure_of_another(self) -> None:
        """Which samples are perhaps mislabelled is only known where each shows one class."""

    @property
    def values(self) -> Float32[np.ndarray, "n k"]:
        """The probabilities."""
        return self.probabilities

    def with_values(self, values: Float32[np.ndarray, "n k"]) -> LabelSetPredictions:
        """Return the same for other probabilities."""
        return replace(self, probabilities=values)

    def summary(self) -> dict[str, Any]:
        """Return the metrics of the split as plain numbers, with their 95 % intervals, and how many labels there are.

        `exact_match` is the share of samples that are all right, `bce` the binary cross-entropy; `undefined` says why a
        metric is None.
        """
        labels, predicted, n = self.labels, self.predicted, len(self.names)
        correct, area = int(self.correct.sum()), ranking.mean_scores(self.probabilities, labels)[0]
        ends = intervals.of_label_sets(labels, predicted, self.probabilities, self.losses)
        return {
            "map": multi_label.mean_average_precision(self.probabilities, labels),
            "n": n,
            "micro_f1": multi_label.micro_f1(predicted, labels),
            "macro_f1": multi_label.macro_f1(predicted, labels),
            "auc": known(area),
            "exact_match": correct / n,
            "exact_match_interval": list(wilson_interval(correct, n)),
            "bce": float(self.losses.mean()),
            "labels": int(labels.sum()),
            "intervals": {name: list(pair) for name, pair in ends.items()},
            **undefined({"auc": NO_LABELS if math.isnan(area) else ""}),
        }

    def worst(self, limit: int) -> list[int]:
        """Return the samples that are not all right, the highest loss first, at most `limit`."""
        order = np.argsort(-self.losses, kind="stable")
        return [int(i) for i in order[~self.correct[order]][:limit]]

    def true_name(self, sample: int) -> str:
        """Return the true classes of a sample, as `cat;dog`."""
        return label_text(self.labels, sample, self.classes)

    def predicted_name(self, sample: int) -> str:
        """Return the predicted classes of a sample, as `cat;dog`."""
        return label_text(self.predicted, sample, self.classes)

    def show(self, page: Page) -> Shown:
        """Return what a report shows."""
        return sections.show(self, page)

    def overview(self, note: str) -> Section:
        """Return the section of an experiment's page."""
        return sections.overview(self, note)

    def caption(self, sample: int) -> Caption:
        """Return what stands under the picture of a mistake."""
        names = (self.true_name(sample) or "nothing", self.predicted_name(sample) or "nothing")
        true, predicted = (name if has_glyphs(name) else "?" for name in names)
        return caption(true, predicted, self.names[sample])

    def error(self, sample: int) -> ErrorWords:
        """Return a mistake in words."""
        differ = np.flatnonzero(self.labels[sample] != self.predicted[sample]).tolist()
        parts = (f"{self.classes[i]}: {percent(float(self.probabilities[sample, i]))}" for i in differ[:4])
        line = f"{', '.join(parts)}; loss {self.losses[sample]:.2f}"
        return ErrorWords(self.true_name(sample), self.predicted_name(sample), line, differ)

    def write_csv(self, path: Path) -> None:
        """Write path, labels, predicted, probabilities (of these), correct, p:CLASS (few classes); one row a sample."""
        samples = range(len(self.names))
        header = ["path", "labels", "predicted", "probabilities", "correct"]
        columns: list[object] = [
            self.names,
            [self.true_name(i) for i in samples],
            [self.predicted_name(i) for i in samples],
            [SEPARATOR.join(decimals(self.probabilities[i][self.predicted[i]])) for i in samples],
            self.correct.astype(int).tolist(),
        ]
        if len(self.classes) <= CSV_CLASSES:
            header += [f"p:{name}" for name in self.classes]
            columns += [decimals(column) for column in self.probabilities.T]
        write_csv(path, header, zip(*columns, strict=True))
