"""Sources whose labels nobody asks for: what an autoencoder learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convworks.data.config import DataConfig
from convworks.data.source import Source, Split, split_off, training_split
from convworks.data.sources.folder import UNLABELLED
from convworks.data.split.stratify import choose
from convworks.errors import InputError


def without_labels(source: Source) -> Source:
    """Return a source without its labels; raises InputError where it has no training images."""
    training_split(source)
    splits = {name: _unlabelled(split) for name, split in source.splits.items()}
    return replace(source, classes=(), splits=splits)


def divide_unlabelled(source: Source, data: DataConfig, seed: int) -> Source:
    """Split validation off train, by the seed and the samples' names alone; no-op if there is one.

    Raises InputError for a single image, and for a fold of a cross-validation.
    """
    if data.fold is not None:
        raise InputError("data.fold", "divides labelled images, which this network does not ask for", "leave it out")
    train = training_split(source)
    if "validation" in source.splits:
        return source
    if len(train) < 2:
        reason = "has only 1 image in train, so none can go to validation"
        raise InputError(source.where, reason, "add images")
    wanted = round(data.validation * len(train))
    count = min(max(1, wanted), data.validation_limit or wanted or 1, len(train) - 1)
    same = np.zeros(len(train), dtype=np.int64)
    seed = seed if data.validation_seed is None else data.validation_seed
    chosen = choose(same, train.names, np.array([count]), seed)
    return split_off(source, train, chosen)


def _unlabelled(split: Split) -> Split:
    return replace(split, labels=np.full(len(split), UNLABELLED, dtype=np.int64))
