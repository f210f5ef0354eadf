"""Images that are perhaps mislabelled: the network is sure of another class than theirs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64


@dataclass(frozen=True, kw_only=True)
class LabelErrors:
    """Candidates for label errors, the largest margin first.

    Attributes:
        samples: the m candidates, as places in the labels.
        margins: how much more probable the predicted class is than the label, of each candidate.
        thresholds: what each of the k classes has to reach to be believed; infinite where no image is labelled so.
    """

    samples: Int64[np.ndarray, " m"]
    margins: Float64[np.ndarray, " m"]
    thresholds: Float64[np.ndarray, " k"]


def label_errors(labels: Int64[np.ndarray, " n"], probabilities: Float32[np.ndarray, "n k"]) -> LabelErrors:
    """Return the images whose predicted class is not their label, and at least as probable as its threshold.

    The threshold of a class is the mean probability that it has on the images labelled so (Northcutt et al. 2021,
    section 3.1): what the network usually says where it is right and the labels are. The probabilities must come from
    a network that was not trained on these labels; one that was has learnt their errors too.
    """
    n, k = probabilities.shape
    given = probabilities.astype(np.float64)
    own = given[np.arange(n), labels]
    counts = np.bincount(labels, minlength=k)
    sums = np.bincount(labels, weights=own, minlength=k)
    thresholds = np.where(counts > 0, sums / counts.clip(1), np.inf)
    predicted = given.argmax(1)
    highest = given.max(1)
    # A mean of equal numbers may be rounded to just above them.
    sure = highest >= thresholds[predicted] * (1 - 1e-12)
    found = np.flatnonzero(sure & (predicted != labels))
    margins = (highest - own)[found]
    order = np.argsort(-margins, kind="stable")
    return LabelErrors(samples=found[order], margins=margins[order], thresholds=thresholds)
