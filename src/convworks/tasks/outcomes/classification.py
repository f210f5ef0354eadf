"""Predictions for the samples of a split, each of one class."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from convworks.charts.lettering import shown as has_glyphs
from convworks.csv_files import decimals, write_csv
from convworks.errors import InputError, RunError
from convworks.metrics import ranking
from convworks.metrics.classification import (
    balanced_accuracy,
    calibration,
    confusion_matrix,
    macro_f1,
    negative_log_likelihood,
    top_k_accuracy,
    wilson_interval,
)
from convworks.metrics.label_errors import LabelErrors, label_errors
from convworks.pages.blocks import Section
from convworks.pages.mistakes import Caption, caption
from convworks.pages.numbers import percent
from convworks.tasks.outcomes import intervals
from convworks.tasks.sections import classification as sections
from convworks.tasks.shown import ErrorWords, Page, Shown

#: Why a metric is None, or not among the others.
ONE_CLASS = "not defined: all samples are of one class"
NO_POSITIVES = "not defined: no sample is of the second class"
FEW_CLASSES = "omitted: with {} classes, the top five always include the true one"
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
            raise InputError(where, reason, "give one label per name")
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

    @property
    def values(self) -> Float32[np.ndarray, "n k"]:
        """The probabilities."""
        return self.probabilities

    def with_values(self, values: Float32[np.ndarray, "n k"]) -> Predictions:
        """Return the same for other probabilities."""
        return replace(self, probabilities=values)

    def summary(self) -> dict[str, Any]:
        """Return the metrics of the split as plain numbers; `top5` only above five classes.

        `intervals` holds the 95 % interval of every metric but accuracy, whose own is `interval`; `undefined` says why
        a metric is None, or absent. `auc` and `average_precision` are means over the classes, each against the rest;
        of two classes those of the second.
        """
        labels, probabilities, n = self.labels, self.probabilities, len(self.labels)
        k = len(self.classes)
        matrix = confusion_matrix(labels, self.predicted, k)
        correct = int(self.correct.sum())
        kinds = ranking.ranked_classes(k)
        area, precision = ranking.mean_scores(probabilities[:, kinds], self.shown[:, kinds])
        ends = intervals.of_classes(labels, probabilities)
        top5 = {"top5": top_k_accuracy(probabilities, labels, 5)} if k > 5 else {}
        if top5:
            ends["top5"] = wilson_interval(round(top5["top5"] * n), n)
        reasons = {
            "top5": "" if top5 else FEW_CLASSES.format(k),
            "auc": ONE_CLASS if math.isnan(area) else "",
            "average_precision": NO_POSITIVES if math.isnan(precision) else "",
        }
        return {
            "top1": correct / n,
            **top5,
            "n": n,
            "interval": list(wilson_interval(correct, n)),
            "balanced_accuracy": balanced_accuracy(matrix),
            "macro_f1": macro_f1(matrix),
            "auc": known(area),
            "average_precision": known(precision),
            "nll": negative_log_likelihood(probabilities, labels),
            "ece": calibration(probabilities, labels).error,
            "intervals": {name: list(pair) for name, pair in ends.items()},
            **undefined(reasons),
        }

    @cached_property
    def shown(self) -> Bool[np.ndarray, "n k"]:
        """Whether each sample shows each class."""
        return ranking.one_against_rest(self.labels, len(self.classes))

    @property
    def ranked(self) -> list[int]:
        """The classes whose ranking is drawn: of two classes the second."""
        return ranking.ranked_classes(len(self.classes))

    @property
    def sure_of_another(self) -> LabelErrors:
        """The samples that are perhaps mislabelled."""
        return label_errors(self.labels, self.probabilities)

    def true_name(self, sample: int) -> str:
        """Return the class of a sample."""
        return self.classes[int(self.labels[sample])]

    def predicted_name(self, sample: int) -> str:
        """Return the most probable class of a sample."""
        return self.classes[int(self.predicted[sample])]

    def worst(self, limit: int) -> list[int]:
        """Return the samples that are wrong, the highest loss on the true class first, at most `limit`."""
        order = np.argsort(self.true_probability, kind="stable")
        return [int(i) for i in order[~self.correct[order]][:limit]]

    def show(self, page: Page) -> Shown:
        """Return what a report shows."""
        return sections.show(self, page)

    def overview(self, note: str) -> Section:
        """Return the section of an experiment's page."""
        return sections.overview(self, note)

    def caption(self, sample: int) -> Caption:
        """Return what stands under the picture of a mistake."""
        sure = f"{100 * self.confidence[sample]:.0f} %"
        true, predicted = (_label(self.classes, int(each[sample])) for each in (self.labels, self.predicted))
        return caption(true, predicted, self.names[sample], sure=sure)

    def error(self, sample: int) -> ErrorWords:
        """Return a mistake in words."""
        true, predicted = self.true_name(sample), self.predicted_name(sample)
        sure, own = percent(float(self.confidence[sample])), percent(float(self.true_probability[sample]))
        classes = [int(self.labels[sample]), int(self.predicted[sample])]
        return ErrorWords(true, predicted, f"{predicted}: {sure}, {true}: {own}", classes)

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


def known(value: float) -> float | None:
    """Return a value, or None where it is not defined."""
    return None if math.isnan(value) else value


def undefined(reasons: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return what a summary says of metrics that are not defined: the reason of each, where there is one."""
    reasons = {name: reason for name, reason in reasons.items() if reason}
    return {"undefined": reasons} if reasons else {}


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
        raise InputError(where, f"shapes disagree: {given}, {k} classes", "give one row of k probabilities per name")
    bad = ~(probabilities >= 0).all(1) | ~(probabilities <= 1.001).all(1)
    if bad.any():
        first = names[int(bad.argmax())]
        raise RunError(
            where,
            f"{bad.sum()} of {n} rows hold numbers outside 0..1, the first for {first!r}",
            "look for NaN in the training loss",
        )
    return where


def _label(classes: tuple[str, ...], index: int) -> str:
    name = classes[index]
    return name if has_glyphs(name) else f"#{index}"
