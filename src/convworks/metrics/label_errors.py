"""Possible label errors: images of which the network is confident that they belong to another class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64


@dataclass(frozen=True, kw_only=True)
class LabelErrors:
    """Candidates for label errors, the largest margin first.

    Attributes:
        samples: indices of the m candidates.
        margins: probability of the predicted class minus that of the label, of each candidate.
        thresholds: minimum probability of each of the k classes; infinite for a class without labelled images.
    """

    samples: Int64[np.ndarray, " m"]
    margins: Float64[np.ndarray, " m"]
    thresholds: Float64[np.ndarray, " k"]


def label_errors(labels: Int64[np.ndarray, " n"], probabilities: Float32[np.ndarray, "n k"]) -> LabelErrors:
    """Return the images whose predicted class differs from their label and reaches its threshold.

    The threshold of a class is its mean probability on the images with that label (Northcutt et al. 2021, section 3.1).
    The probabilities must come from a network that was not trained on these labels, or it has learnt their errors too.
    """
    n, k = probabilities.shape
    probabilities64 = probabilities.astype(np.float64)
    label_probabilities = probabilities64[np.arange(n), labels]
    counts = np.bincount(labels, minlength=k)
    sums = np.bincount(labels, weights=label_probabilities, minlength=k)
    thresholds = np.where(counts > 0, sums / counts.clip(1), np.inf)
    predicted = probabilities64.argmax(1)
    highest = probabilities64.max(1)
    # Rounding may put the mean of equal numbers just above them.
    confident = highest >= thresholds[predicted] * (1 - 1e-12)
    candidates = np.flatnonzero(confident & (predicted != labels))
    margins = (highest - label_probabilities)[candidates]
    order = np.argsort(-margins, kind="stable")
    return LabelErrors(samples=candidates[order], margins=margins[order], thresholds=thresholds)
