"""label_errors.csv: images that are perhaps mislabelled, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from convworks.csv_files import decimals, write_csv
from convworks.metrics.label_errors import LabelErrors
from convworks.tasks.outcome import Judged


def write_label_errors(
    path: Path, found: LabelErrors, predictions: Judged, agreeing: Float[np.ndarray, " a"] | Sequence[float]
) -> None:
    """Write path, label, predicted, probability, margin, neighbours; one row a candidate, the first suspect first.

    `neighbours` is the share of the nearest images that have the predicted class, empty where that was not looked up
    (`agreeing` may be shorter than the candidates).
    """
    samples = found.samples.tolist()
    shares = [f"{share:.6g}" for share in agreeing]
    columns = (
        [predictions.names[i] for i in samples],
        [predictions.true_name(i) for i in samples],
        [predictions.predicted_name(i) for i in samples],
        decimals(predictions.confidence[samples]),
        decimals(found.margins.astype(np.float32)),
        shares + [""] * (len(samples) - len(shares)),
    )
    header = ["path", "label", "predicted", "probability", "margin", "neighbours"]
    write_csv(path, header, zip(*columns, strict=True))
