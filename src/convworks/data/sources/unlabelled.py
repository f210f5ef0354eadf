"""Sources used without labels, as by autoencoders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convworks.data.config import DataConfig
from convworks.data.labels import UNLABELLED
from convworks.data.source import Source, training_split
from convworks.data.split.folds import divide
from convworks.errors import InputError


def without_labels(source: Source) -> Source:
    """Return a source without its labels; raises InputError if it has no training images."""
    training_split(source)
    splits = {
        name: split.with_labels(np.full(len(split), UNLABELLED, dtype=np.int64))
        for name, split in source.splits.items()
    }
    return replace(source, classes=(), splits=splits)


def divide_unlabelled(source: Source, data: DataConfig, seed: int) -> Source:
    """Split validation off train, by the seed and the sample names alone; no-op if there is a validation split.

    Raises InputError for a single image, and for a cross-validation fold.
    """
    if data.fold is not None:
        raise InputError("data.fold", "needs labelled images, which this network does not use", "leave it out")
    return divide(source, data, seed)
