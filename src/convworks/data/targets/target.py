"""A kind of target, as a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from convworks.data.config import DataConfig
from convworks.data.source import Source, Split, require_train
from convworks.data.sources.unlabelled import divide_unlabelled, without_labels
from convworks.data.split.folds import divide


@dataclass(frozen=True, kw_only=True)
class Target:
    """What samples are to be answered with.

    `read` gives a source with the targets as a task asks for them, or raises InputError where it has none; `divide`
    splits validation off, or makes a fold, by a configuration and a seed; `collate` gives the targets of a split as a
    tensor, or None where the target of each sample is its input.
    """

    read: Callable[[Source], Source]
    divide: Callable[[Source, DataConfig, int], Source]
    collate: Callable[[Split], Tensor | None]


def labelled(source: Source) -> Source:
    """Return a source that has labelled images to train on; raises InputError for others."""
    require_train(source)
    return source


def labels(split: Split) -> Tensor:
    """Return the labels of a split: a class a sample, or for each class whether a sample shows it."""
    return torch.from_numpy(split.labels)


def itself(split: Split) -> None:
    """Return nothing: the target of each sample is its input."""


#: One class a sample, or any number of them.
LABELS = Target(read=labelled, divide=divide, collate=labels)
#: The input itself.
INPUTS = Target(read=without_labels, divide=divide_unlabelled, collate=itself)
