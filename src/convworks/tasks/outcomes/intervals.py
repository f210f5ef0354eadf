"""95 % intervals of all metrics: by formula for fractions of samples, else by the bootstrap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from convworks.metrics import weighted
from convworks.metrics.bootstrap import RESAMPLES, Counts, Interval, Values, bootstrap
from convworks.metrics.classification import SMALLEST, calibration_bins
from convworks.metrics.ranking import one_against_rest, ranked_classes
from convworks.metrics.spec import spec

#: With more samples times classes the samples are drawn less often, down to FEWEST times: it shall take a second.
WORK, FEWEST = 50_000_000, 200


def of_classes(labels: Int64[np.ndarray, " n"], probabilities: Float32[np.ndarray, "n k"]) -> dict[str, Interval]:
    """Return the intervals of a split of one label a sample, where they are defined.

    As many samples of each class are drawn as there are: a class that is rare is never absent.
    """
    k, predicted, confidence = probabilities.shape[1], probabilities.argmax(1), probabilities.max(1)
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    losses = -np.log(own.clip(SMALLEST, 1))
    bins = calibration_bins(confidence)
    kinds = ranked_classes(k)
    rank = ranker(probabilities[:, kinds], one_against_rest(labels, k)[:, kinds])

    def measure(counts: Counts) -> dict[str, Values]:
        area, precision = rank(counts)
        return {
            **weighted.class_scores(counts, labels, predicted, k),
            "auc": area,
            "average_precision": precision,
            "nll": weighted.means(counts, losses),
            "ece": weighted.calibration_errors(counts, confidence, predicted == labels, bins),
        }

    return within(bootstrap(measure, len(labels), strata=labels, resamples=resamples(len(labels), k)))


def of_label_sets(
    labels: Bool[np.ndarray, "n k"],
    predicted: Bool[np.ndarray, "n k"],
    probabilities: Float32[np.ndarray, "n k"],
    losses: Float64[np.ndarray, " n"],
) -> dict[str, Interval]:
    """Return the intervals of a split of multi-label predictions, where they are defined."""
    rank = ranker(probabilities, labels)

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


def within(intervals: dict[str, Interval | None]) -> dict[str, Interval]:
    """Keep what is defined, within the values that it can have."""
    return {
        name: (max(0.0, ends[0]), min(1.0, ends[1]) if spec(name).unit == "fraction" else ends[1])
        for name, ends in intervals.items()
        if ends is not None
    }
