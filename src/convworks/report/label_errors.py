"""label_errors.csv: a table of possible label errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from convworks.csv_files import decimals, write_csv
from convworks.metrics.label_errors import LabelErrors
from convworks.tasks.outcome import Judged


def write_label_errors(
    path: Path, label_errors: LabelErrors, predictions: Judged, agreeing: Float[np.ndarray, " a"] | Sequence[float]
) -> None:
    """Write path, label, predicted, probability, margin, neighbours; one row per candidate, most suspect first.

    `neighbours` is the fraction of nearest images that have the predicted class, empty where it was not computed
    (`agreeing` may be shorter than the candidates).
    """
    samples = label_errors.samples.tolist()
    fractions = [f"{fraction:.6g}" for fraction in agreeing]
    columns = (
        [predictions.names[i] for i in samples],
        [predictions.true_name(i) for i in samples],
        [predictions.predicted_name(i) for i in samples],
        decimals(predictions.confidence[samples]),
        decimals(label_errors.margins.astype(np.float32)),
        fractions + [""] * (len(samples) - len(fractions)),
    )
    header = ["path", "label", "predicted", "probability", "margin", "neighbours"]
    write_csv(path, header, zip(*columns, strict=True))
