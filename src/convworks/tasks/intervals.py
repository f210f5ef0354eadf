"""The 95 % interval of every figure of a split: by formula for shares of samples, else by drawing the samples again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from convworks.metrics import weighted
from convworks.metrics.bootstrap import RESAMPLES, Counts, Interval, Values, bootstrap
from convworks.metrics.classification import SMALLEST, calibration_bins
from convworks.metrics.ranking import asked, one_against_rest
from convworks.tasks.classification import Predictions
from convworks.tasks.multi_label import SeveralPredictions

#: With more samples times classes the samples are drawn less often, down to FEWEST times: it shall take a second.
WORK, FEWEST = 50_000_000, 200
#: The figures that may exceed 1.
UNBOUNDED = ("nll", "bce")


def one_label(predictions: Predictions) -> dict[str, Interval]:
    """Return the intervals of a split of one label an image, where they are defined.

    As many images of each class are drawn as there are: a class that is rare is never absent.
    """
    labels, predicted, correct = predictions.labels, predictions.predicted, predictions.correct
    k, probabilities = len(predictions.classes), predictions.probabilities
    losses = -np.log(predictions.true_probability.astype(np.float64).clip(SMALLEST, 1))
    bins = calibration_bins(predictions.confidence)
    kinds = asked(k)
    rank = ranker(probabilities[:, kinds], one_against_rest(labels, k)[:, kinds])

    def measure(counts: Counts) -> dict[str, Values]:
        area, precision = rank(counts)
        return {
            **weighted.class_scores(counts, labels, predicted, k),
            "auc": area,
            "average_precision": precision,
            "nll": weighted.means(counts, losses),
            "ece": weighted.calibration_errors(counts, predictions.confidence, correct, bins),
        }

    return within(bootstrap(measure, len(labels), strata=labels, resamples=resamples(len(labels), k)))


def several_labels(predictions: SeveralPredictions) -> dict[str, Interval]:
    """Return the intervals of a split of any number of labels an image, where they are defined."""
    labels, predicted = predictions.labels, predictions.predicted
    rank, losses = ranker(predictions.probabilities, labels), predictions.losses

    def measure(counts: Counts) -> dict[str, Values]:
        area, precision = rank(counts)
        return {
            "map": precision,
            "auc": area,
            **weighted.label_scores(counts, labels, predicted),
            "bce": weighted.means(counts, losses),
        }

    return within(bootstrap(measure, len(labels), resamples=resamples(*labels.shape)))


def ranker(
    scores: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n k"]
) -> Callable[[Counts], tuple[Values, Values]]:
    """Return what finds the mean area and mean average precision of draws, over the classes that have them."""
    ranks = [weighted.Ranks(*pair) for pair in zip(scores.T, labels.T, strict=True)]

    def measure(counts: Counts) -> tuple[Values, Values]:
        each = np.array([rank.measure(counts) for rank in ranks])
        known = ~np.isnan(each)
        top, count = np.where(known, each, 0).sum(0), known.sum(0)
        area, precision = np.divide(top, count, out=np.full(top.shape, np.nan), where=count > 0)
        return area, precision

    return measure


def resamples(n: int, classes: int) -> int:
    """Return how often n samples are drawn again."""
    return int(np.clip(WORK // (n * classes), FEWEST, RESAMPLES))


def within(found: dict[str, Interval | None]) -> dict[str, Interval]:
    """Keep what is defined, within the values that it can have."""
    return {
        name: (max(0.0, ends[0]), ends[1] if name in UNBOUNDED else min(1.0, ends[1]))
        for name, ends in found.items()
        if ends is not None
    }
