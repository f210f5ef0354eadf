"""Metrics of segmentation as pure functions: of counts of pixels by class, and of pairs of masks.

A class that neither a mask nor its prediction has is not defined: it is left out of every mean. Pixels with the number
IGNORED are in no count.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, Shaped, UInt8

from convworks.data.column import IGNORED
from convworks.metrics.classification import calibration_bins

#: The distance up to which boundaries agree, as a fraction of the diagonal (Csurka et al. 2013, section 3).
TOLERANCE = 0.0075

Pixels = Shaped[np.ndarray, "*draws k"]
Mask = UInt8[np.ndarray, "h w"]


class Overlap(NamedTuple):
    """Pixels of each class along the last axis: right ones, those of the masks, those of the predictions.

    Other axes are images, or resamples of them (metrics/bootstrap.py).
    """

    matches: Pixels
    targets: Pixels
    predictions: Pixels


class Reliability(NamedTuple):
    """Pixels by their confidence, in equal-width bins along the last axis: all, the sum of confidences, right ones.

    Other axes are images, or resamples of them.
    """

    pixels: Pixels
    confidence: Pixels
    matches: Pixels


def overlap(matrix: Int64[np.ndarray, "*n k k"]) -> Overlap:
    """Return the pixels of each class, from confusion matrices: rows are the classes of the masks."""
    return Overlap(np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(-1), matrix.sum(-2))


def confusion(target: Mask, prediction: Mask, classes: int) -> Int64[np.ndarray, "k k"]:
    """Count the pixels of a mask by its class (row) and the predicted one (column)."""
    counted = target != IGNORED
    pairs = target[counted].astype(np.int64) * classes + prediction[counted]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def reliability(target: Mask, prediction: Mask, confidence: Float[np.ndarray, "h w"], bins: int = 15) -> Reliability:
    """Divide the pixels of a mask among bins by the probability of the predicted class."""
    counted = target != IGNORED
    sure = confidence[counted].astype(np.float64).clip(0, 1)
    index, right = calibration_bins(sure, bins), (target == prediction)[counted]
    pixels, matches = (np.bincount(each, minlength=bins).astype(np.int64) for each in (index, index[right]))
    return Reliability(pixels, np.bincount(index, sure, bins), matches)


def calibration_error(bins: Reliability) -> Float64[np.ndarray, "*draws"]:
    """Return the expected calibration error (Guo et al. 2017, section 2), over pixels; nan without any."""
    return _ratio(abs(bins.matches - bins.confidence).sum(-1), bins.pixels.sum(-1))


def iou(pixels: Overlap) -> Float64[np.ndarray, "*draws k"]:
    """Return intersection over union of each class; nan where it is absent."""
    return _ratio(pixels.matches, pixels.targets + pixels.predictions - pixels.matches)


def dice(pixels: Overlap) -> Float64[np.ndarray, "*draws k"]:
    """Return the Dice coefficient of each class, 2 |A and B| / (|A| + |B|); nan where it is absent."""
    return _ratio(2 * pixels.matches, pixels.targets + pixels.predictions)


def pixel_accuracy(pixels: Overlap) -> Float64[np.ndarray, "*draws"]:
    """Return the fraction of pixels that are right; nan without pixels."""
    return _ratio(pixels.matches.sum(-1), pixels.targets.sum(-1))


def mean(values: Float64[np.ndarray, "*draws k"]) -> Float64[np.ndarray, "*draws"]:
    """Return the mean over the last axis of what is defined; nan where nothing is."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(-1), known.sum(-1))


def boundary_f1(target: Mask, prediction: Mask, classes: int) -> float:
    """Return the mean over the classes of the F1 of their boundaries (Csurka et al. 2013, section 3); nan without any.

    Precision is the fraction of the predicted boundary within TOLERANCE of that of the mask, recall the reverse. The
    edges of an image, and those of ignored pixels, are no boundaries.
    """
    prediction = np.where(target == IGNORED, IGNORED, prediction).astype(np.uint8)
    most = TOLERANCE * math.hypot(*target.shape)
    edges = [_edges(mask) for mask in (target, prediction)]
    scores = []
    for number in range(classes):
        drawn = [edge & (mask == number) for edge, mask in zip(edges, (target, prediction), strict=True)]
        if not (drawn[0].any() or drawn[1].any()):
            continue
        first, second = _cropped(drawn[0], drawn[1])
        precision, recall = _near(second, first, most), _near(first, second, most)
        scores.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return float(np.mean(scores)) if scores else math.nan


def rand_error(target: Mask, prediction: Mask) -> float:
    """Return 1 - the F-score of the Rand index of two masks of two classes (Arganda-Carreras et al. 2015, equation 4).

    Segments are the connected regions of class 1, by edges of pixels; only pixels that are of class 1 in the target
    count, each of those predicted as class 0 as a segment of its own. nan where the target has no pixel of class 1.
    """
    from scipy.ndimage import label  # importing it takes a tenth of a second

    inside = target == 1
    if not inside.any():
        return math.nan
    first, _ = label(inside)
    second, others = label((prediction == 1) & (target != IGNORED))
    true, found = first[inside].astype(np.int64), second[inside].astype(np.int64)
    # Of all pairs of regions, those that share pixels: there may be a million of each.
    pairs, counts = np.unique(true * (others + 1) + found, return_counts=True)
    shared, paired = counts.astype(np.float64), pairs % (others + 1) > 0
    alone = shared[~paired].sum()  # pixels that are segments of their own
    both = (shared[paired] ** 2).sum() + alone
    sizes = np.bincount(true), np.bincount(found[found > 0])
    each = sum((size.astype(np.float64) ** 2).sum() for size in sizes) + alone
    return float(1 - 2 * both / each)


def _ratio(top: Any, bottom: Any) -> Float64[np.ndarray, "*draws"]:
    top, bottom = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))


def _edges(mask: Mask) -> Bool[np.ndarray, "h w"]:
    """Return the pixels with a neighbour, across an edge, of another class."""
    edges = np.zeros(mask.shape, dtype=bool)
    for first, second in (
        ((slice(1, None), ...), (slice(None, -1), ...)),
        ((..., slice(1, None)), (..., slice(None, -1))),
    ):
        differ = (mask[first] != mask[second]) & (mask[first] != IGNORED) & (mask[second] != IGNORED)
        edges[first] |= differ
        edges[second] |= differ
    return edges


def _cropped(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two boundaries without what surrounds both, which is in no distance between them."""
    either = first | second
    rows, columns = np.flatnonzero(either.any(1)), np.flatnonzero(either.any(0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return first[box], second[box]


def _near(points: Bool[np.ndarray, "h w"], others: Bool[np.ndarray, "h w"], most: float) -> float:
    """Return the fraction of points that are at most so far from the others; 0 without points or others."""
    from scipy.ndimage import distance_transform_edt

    if not points.any() or not others.any():
        return 0.0
    distances = distance_transform_edt(~others)
    return float((distances[points] <= most).mean())
