"""What the finished runs of an experiment say about images: each alone, and their mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from convworks.data.decode.load import load_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.source import Source
from convworks.inference.logits import probabilities
from convworks.inference.predictor import load
from convworks.tasks.multi_label import Predicted, make_predictions
from convworks.tasks.task import task


def answers(bundles: Sequence[Path], source: Source, split: str, device: str) -> Iterator[Predicted]:
    """Yield what each bundle says about a split; images are decoded once for bundles that prepare them alike."""
    images: UInt8[torch.Tensor, "n c h w"] | None = None
    prepared: Preprocessing | None = None
    chosen = source.splits[split]
    for bundle in bundles:
        predictor = load(bundle, device=device)
        given = predictor.bundle.preprocessing
        if images is None or prepared is None or _decoding(given) != _decoding(prepared):
            images, prepared = load_images(chosen, given), given
        yield make_predictions(
            split=split,
            names=chosen.names,
            classes=source.classes,
            labels=chosen.labels,
            probabilities=probabilities(
                predictor.network, images, given, predictor.precision, task(predictor.bundle.several)
            ),
        )


def ensemble(bundles: Sequence[Path], source: Source, split: str, device: str) -> Predicted:
    """Return the mean of the bundles' probabilities."""
    found = answers(bundles, source, split, device)
    first = next(found)
    total = first.probabilities.copy()
    for predictions in found:
        total += predictions.probabilities
    return replace(first, probabilities=total / np.float32(len(bundles)))


def _decoding(preprocessing: Preprocessing) -> dict[str, object]:
    """Return what decides the uint8 pixels: everything but the normalisation that comes after."""
    return preprocessing.model_dump(exclude={"mean", "std"})
