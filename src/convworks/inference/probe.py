"""Linear probes: how well the classes can be told apart by a linear classifier of the features at each tap.

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
from convworks.data.decode.images import open_images
from convworks.data.decode.load import Loaded
from convworks.data.source import Source, require_train
from convworks.data.split.folds import divide
from convworks.errors import InputError
from convworks.inference.features import features, named_pool
from convworks.inference.predictor import Predictor
from convworks.layers.cut import cut_points
from convworks.metrics.classification import wilson_interval

#: Inverse strengths of regularisation among which validation chooses, from the strongest on.
COSTS = (1e-3, 1e-2, 1e-1, 1.0)
SPLITS = ("train", "validation", "test")

Vectors = Float32[np.ndarray, "n f"]
Classes = Int64[np.ndarray, " n"]


def probe(
    predictor: Predictor, source: Source, taps: Sequence[str] = (), *, pool: str = "average", seed: int = 0
) -> list[dict[str, Any]]:
    """Fit multinomial logistic regression to the standardised features at some taps, or at all; return a row for each.

    {"tap", "features", "C", "validation", "test", "interval"}: shares of right answers; validation chooses C, the test
    images are looked at once (None where there are none), as is their 95 % interval. Of taps with the same features
    (a stage and its last block) one is kept where none was named. The network stays as it is; its classes need not be
    those of the source. Raises InputError for a tap that there is not, and for images of any number of labels.
    """
    way = named_pool(pool)
    if source.multi_label:
        raise InputError(
            source.where,
            "has images of any number of labels, probes tell one class from the others",
            "give another source",
        )
    require_train(source)
    network = predictor.trained
    chosen = predictor.tapped(taps or tuple(cut_points(network)))
    parts = {
        name: split for name, split in divide(source, DataConfig(source="probe"), seed).splits.items() if name in SPLITS
    }
    given = predictor.bundle.preprocessing
    found, labels = {}, {}
    for name, part in parts.items():
        with counting(f"decoding {name}") as report:
            opened = open_images(part, given, always=False, report=report)
        images = opened.images if isinstance(opened, Loaded) else opened
        found[name] = features(network, images, given, predictor.precision, chosen, way)
        labels[name] = np.asarray(part.labels)
    rows: list[dict[str, Any]] = []
    with counting("probes") as report:
        for number, tap in enumerate(chosen):
            vectors = {name: read[tap] for name, read in found.items()}
            same = [earlier for earlier in chosen[:number] if _equal(found["train"][earlier], vectors["train"])]
            if taps or not same:
                rows.append({"tap": tap, "features": vectors["train"].shape[1], **_fit(vectors, labels)})
            if report is not None:
                report(number + 1, len(chosen))
    return rows


def _equal(one: Float32[np.ndarray, "n _"], other: Float32[np.ndarray, "n _"]) -> bool:
    return one.shape == other.shape and bool((one[:64] == other[:64]).all())


def _fit(vectors: dict[str, Vectors], labels: dict[str, Classes]) -> dict[str, Any]:
    """Fit a probe, and measure it."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    train = vectors["train"]
    mean, std = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64)
    std[std < 1e-12] = 1.0
    x = {name: ((values - mean) / std).astype(np.float32) for name, values in vectors.items()}
    machine = LogisticRegression(max_iter=200, tol=1e-3, warm_start=True)
    best: tuple[float, float] = (-1.0, 0.0)
    answers: dict[str, Classes] = {}
    for cost in COSTS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # validation compares what there is
            machine.set_params(C=cost).fit(x["train"], labels["train"])
        share = float((machine.predict(x["validation"]) == labels["validation"]).mean())
        if share < best[0]:
            break  # with less regularisation it only gets worse
        if share > best[0]:
            best, answers = (share, cost), {name: machine.predict(values) for name, values in x.items()}
    row: dict[str, Any] = {"C": best[1], "validation": best[0], "test": None, "interval": None}
    if "test" in labels:
        right = int((answers["test"] == labels["test"]).sum())
        n = len(labels["test"])
        row |= {"test": right / n, "interval": list(wilson_interval(right, n))}
    return row
