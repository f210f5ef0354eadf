"""Predictions of the finished runs of an experiment: of each, and their mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from convworks.data.decode.images import Images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.source import Source
from convworks.inference.answers import activated
from convworks.inference.load import load
from convworks.inference.together import together
from convworks.tasks.outcome import Combined, Pooled
from convworks.tasks.task import SplitContext, Task


def answers(bundles: Sequence[Path], source: Source, split: str, device: str) -> Iterator[Pooled]:
    """Yield the predictions of each bundle for a split; images are decoded once for bundles with the same decoding."""
    images: Images | None = None
    prepared: Preprocessing | None = None
    chosen = source.splits[split]
    for bundle in bundles:
        predictor = load(bundle, device=device)
        preprocessing = predictor.bundle.preprocessing
        if images is None or prepared is None or _decoding(preprocessing) != _decoding(prepared):
            images, prepared = predictor.input.open(chosen).images, preprocessing
        context = SplitContext(split=chosen, name=split, classes=source.classes)
        make = predictor.task.outcome
        assert make is not None  # as for all tasks that experiments support
        yield make(context, activated(predictor.task, predictor.runtime, images))


def ensemble(task: Task, bundles: Sequence[Path], source: Source, split: str, device: str) -> Combined:
    """Return the outcome of the mean of the bundles' probabilities (or other activated outputs)."""
    if task.outcome is None:
        measured: Combined = together([load(bundle, device=device) for bundle in bundles]).outcome(source, split=split)
        return measured
    outcomes = answers(bundles, source, split, device)
    first = next(outcomes)
    total = first.values.copy()
    for outcome in outcomes:
        total += outcome.values
    mean: Pooled = first.with_values(total / np.float32(len(bundles)))
    return mean


def _decoding(preprocessing: Preprocessing) -> dict[str, object]:
    """Return the fields that determine the uint8 pixels: all but the normalisation."""
    return preprocessing.model_dump(exclude={"mean", "std"})
