"""What the finished runs of an experiment say about images: each alone, and their mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from convworks.data.decode.load import load_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.source import Source
from convworks.inference.answers import activated
from convworks.inference.predictor import load
from convworks.tasks.outcome import Pooled
from convworks.tasks.task import Known


def answers(bundles: Sequence[Path], source: Source, split: str, device: str) -> Iterator[Pooled]:
    """Yield what each bundle says about a split; images are decoded once for bundles that prepare them alike."""
    images: UInt8[torch.Tensor, "n c h w"] | None = None
    prepared: Preprocessing | None = None
    chosen = source.splits[split]
    for bundle in bundles:
        predictor = load(bundle, device=device)
        given = predictor.bundle.preprocessing
        if images is None or prepared is None or _decoding(given) != _decoding(prepared):
            images, prepared = load_images(chosen, given), given
        known = Known(split=chosen, name=split, classes=source.classes)
        make = predictor.task.outcome
        assert make is not None  # as of all tasks that experiments compare
        yield make(known, activated(predictor.task, predictor.runtime, images))


def ensemble(bundles: Sequence[Path], source: Source, split: str, device: str) -> Pooled:
    """Return the mean of the bundles' probabilities (or other activated outputs)."""
    outcomes = answers(bundles, source, split, device)
    first = next(outcomes)
    total = first.values.copy()
    for outcome in outcomes:
        total += outcome.values
    mean: Pooled = first.with_values(total / np.float32(len(bundles)))
    return mean


def _decoding(preprocessing: Preprocessing) -> dict[str, object]:
    """Return what decides the uint8 pixels: everything but the normalisation that comes after."""
    return preprocessing.model_dump(exclude={"mean", "std"})
