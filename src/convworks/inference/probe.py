"""Linear probes: the accuracy of a linear classifier on the features at each tap.

Alain and Bengio 2016, Understanding intermediate layers using linear classifier probes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from convworks.console import counting
from convworks.data.config import DataConfig
from convworks.data.source import Source, require_labels, require_single_labels, require_train
from convworks.data.split.folds import divide
from convworks.inference.features import features, named_pool
from convworks.inference.predictor import Predictor
from convworks.layers.cut import cut_points
from convworks.metrics.classification import wilson_interval

#: Candidate inverse regularisation strengths, the strongest regularisation first; chosen on validation.
COSTS = (1e-3, 1e-2, 1e-1, 1.0)
SPLITS = ("train", "validation", "test")

Vectors = Float32[np.ndarray, "n f"]
Classes = Int64[np.ndarray, " n"]


def probe(
    predictor: Predictor, source: Source, taps: Sequence[str] = (), *, pool: str = "average", seed: int = 0
) -> list[dict[str, Any]]:
    """Fit multinomial logistic regression to the standardised features at some taps, or at all; return a row for each.

    A row is {"tap", "features", "C", "validation", "test", "interval"}. C is chosen by accuracy on validation; accuracy
    on test and its 95 % interval are measured once (None without a test split). Without `taps`, taps with the same
    features as an earlier one (a stage and its last block) are skipped. The network is not changed; its classes may
    differ from those of the source. Raises InputError for an unknown tap, and for multi-label sources.
    """
    pooling = named_pool(pool)
    require_labels(source, "give a labelled source")
    require_single_labels(source, "a probe", "give another source")
    require_train(source)
    network = predictor.trained
    chosen = predictor.tapped(taps or tuple(cut_points(network)))
    parts = {
        name: split for name, split in divide(source, DataConfig(source="probe"), seed).splits.items() if name in SPLITS
    }
    vectors_by_split, labels = {}, {}
    for name, part in parts.items():
        with counting(f"decoding {name}") as report:
            images = predictor.input.open(part, report=report).images
        vectors_by_split[name] = features(network, images, predictor.input, predictor.precision, chosen, pooling)
        labels[name] = np.asarray(part.labels)
    rows: list[dict[str, Any]] = []
    with counting("probes") as report:
        for number, tap in enumerate(chosen):
            vectors = {name: vectors_by_tap[tap] for name, vectors_by_tap in vectors_by_split.items()}
            equal_taps = [
                earlier for earlier in chosen[:number] if _equal(vectors_by_split["train"][earlier], vectors["train"])
            ]
            if taps or not equal_taps:
                rows.append({"tap": tap, "features": vectors["train"].shape[1], **_fit(vectors, labels)})
            if report is not None:
                report(number + 1, len(chosen))
    return rows


def _equal(first: Float32[np.ndarray, "n _"], second: Float32[np.ndarray, "n _"]) -> bool:
    return first.shape == second.shape and bool((first[:64] == second[:64]).all())


def _fit(vectors: dict[str, Vectors], labels: dict[str, Classes]) -> dict[str, Any]:
    """Fit a probe and evaluate it."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    train = vectors["train"]
    mean, std = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64)
    std[std < 1e-12] = 1.0
    x = {name: ((values - mean) / std).astype(np.float32) for name, values in vectors.items()}
    classifier = LogisticRegression(max_iter=200, tol=1e-3, warm_start=True)
    best_accuracy, best_cost = -1.0, 0.0
    predictions: dict[str, Classes] = {}
    for cost in COSTS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # validation compares the results as they are
            classifier.set_params(C=cost).fit(x["train"], labels["train"])
        accuracy = float((classifier.predict(x["validation"]) == labels["validation"]).mean())
        if accuracy < best_accuracy:
            break  # weaker regularisation only makes it worse
        if accuracy > best_accuracy:
            best_accuracy, best_cost = accuracy, cost
            predictions = {name: classifier.predict(values) for name, values in x.items()}
    row: dict[str, Any] = {"C": best_cost, "validation": best_accuracy, "test": None, "interval": None}
    if "test" in labels:
        correct = int((predictions["test"] == labels["test"]).sum())
        n = len(labels["test"])
        row |= {"test": correct / n, "interval": list(wilson_interval(correct, n))}
    return row
