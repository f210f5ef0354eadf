"""Possible label errors: images of which the network is confident that they belong to another class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

#: Minimum fraction of a network's confident predictions that agree with the labels, before the others are held against
#: the labels. Test sets in wide use have 3 % wrong labels on average, and 10 % at most (Northcutt, Athalye and Mueller
#: 2021): where more confident predictions than that disagree, most of them are the network's own errors.
AGREEMENT = 0.9


@dataclass(frozen=True, kw_only=True)
class LabelErrors:
    """Candidates for label errors, the largest margin first.

    Attributes:
        agreement: fraction of the confident predictions that agree with the labels; 1 if there are none.
        confident: number of the confident predictions.
        required: the agreement below which there are no candidates.
        samples: indices of the m candidates.
        margins: probability of the predicted class minus that of the label, of each candidate.
        thresholds: minimum probability of each of the k classes; infinite for a class without labelled images.
    """

    samples: Int64[np.ndarray, " m"]
    margins: Float64[np.ndarray, " m"]
    thresholds: Float64[np.ndarray, " k"]
    agreement: float
    confident: int
    required: float

    @property
    def trusted(self) -> bool:
        """Whether the network is good enough to name candidates."""
        return self.agreement >= self.required


def label_errors(
    labels: Int64[np.ndarray, " n"], probabilities: Float32[np.ndarray, "n k"], *, required: float = AGREEMENT
) -> LabelErrors:
    """Return the images whose predicted class differs from their label and reaches its threshold.

    A prediction that reaches the threshold is confident. If less than the `required` fraction of these agree with the
    labels, the network is not good enough to accuse a label, and there are no candidates. The threshold of a class is
    its mean probability on the images with that label (Northcutt et al. 2021, section 3.1).
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
    disagreeing = confident & (predicted != labels)
    agreement = 1 - float(disagreeing.sum() / max(confident.sum(), 1))
    candidates = np.flatnonzero(disagreeing & (agreement >= required))
    margins = (highest - label_probabilities)[candidates]
    order = np.argsort(-margins, kind="stable")
    return LabelErrors(
        samples=candidates[order],
        margins=margins[order],
        thresholds=thresholds,
        agreement=agreement,
        confident=int(confident.sum()),
        required=required,
    )
