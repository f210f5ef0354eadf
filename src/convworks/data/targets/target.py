"""A kind of target, as a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64
from torch import Tensor

from convworks.data.config import DataConfig
from convworks.data.labels import count
from convworks.data.source import Source, Split, require_train
from convworks.data.sources.split_names import TRAIN
from convworks.data.sources.unlabelled import divide_unlabelled, without_labels
from convworks.data.split.folds import divide
from convworks.data.targets.match import label_sets, one_class, unchanged


def no_classes(source: Source) -> Int64[Tensor, " k"]:
    """Return nothing: there are no classes to count."""
    return torch.zeros(0, dtype=torch.int64)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What samples are to be answered with.

    `read` gives a source with the targets as a task asks for them, or raises InputError where it has none; `divide`
    splits validation off, or makes a fold, by a configuration and a seed; `collate` gives the targets of a split as a
    tensor, or None where the target of each sample is its input; `counts` gives the samples of each class, by which
    losses weigh; `match` gives a split whose targets are by the classes of a bundle.
    """

    read: Callable[[Source], Source]
    divide: Callable[[Source, DataConfig, int], Source]
    collate: Callable[[Split], Tensor | None]
    counts: Callable[[Source], Int64[Tensor, " k"]] = no_classes
    match: Callable[[Source, Split, Sequence[str]], Split] = unchanged


def labelled(source: Source) -> Source:
    """Return a source that has labelled images to train on; raises InputError for others."""
    require_train(source)
    return source


def labels(split: Split) -> Tensor:
    """Return the labels of a split: a class a sample, or for each class whether a sample shows it."""
    return torch.from_numpy(split.labels)


def itself(split: Split) -> None:
    """Return nothing: the target of each sample is its input."""


def class_counts(source: Source) -> Int64[Tensor, " k"]:
    """Return the number of training images of each class."""
    return torch.from_numpy(count(source.splits[TRAIN].labels, len(source.classes)))


#: One class a sample.
CLASSES = Target(read=labelled, divide=divide, collate=labels, counts=class_counts, match=one_class)
#: Any number of classes a sample.
LABEL_SETS = replace(CLASSES, match=label_sets)
#: The input itself.
INPUTS = Target(read=without_labels, divide=divide_unlabelled, collate=itself)
