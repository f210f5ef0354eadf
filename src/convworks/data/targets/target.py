"""Kinds of targets, as values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64
from torch import Tensor

from convworks.data.config import DataConfig
from convworks.data.labels import count
from convworks.data.source import Source, Split, require_labels, require_train
from convworks.data.sources.split_names import TRAIN
from convworks.data.sources.unlabelled import divide_unlabelled, without_labels
from convworks.data.split.folds import divide
from convworks.data.targets.match import label_sets, one_class, unchanged


def no_classes(source: Source) -> Int64[Tensor, " k"]:
    """Return an empty tensor, for targets without classes."""
    return torch.zeros(0, dtype=torch.int64)


def labels(split: Split) -> Tensor:
    """Return the labels of a split: one class per sample, or a boolean for each class."""
    return torch.from_numpy(split.labels)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A kind of target.

    `read` returns a source with targets in the form a task requires, or raises InputError if it has none; `divide`
    splits validation off, or makes a fold, by a configuration and a seed; `collate` returns the targets of a split as a
    tensor, or None if the target of each sample is its input; spatial targets are opened as images are instead.
    `counts` returns the number of samples of each class, for loss weights; `match` maps the targets of a split to the
    classes of a bundle.
    """

    read: Callable[[Source], Source]
    divide: Callable[[Source, DataConfig, int], Source]
    collate: Callable[[Split], Tensor | None] = labels
    counts: Callable[[Source], Int64[Tensor, " k"]] = no_classes
    match: Callable[[Source, Split, Sequence[str]], Split] = unchanged


def labelled(source: Source) -> Source:
    """Return a source unchanged; raises InputError if it has no labelled images to train on."""
    require_labels(source, "choose a network for masks: --model unet_resnet18, or in a transfer --head unet")
    require_train(source)
    return source


def itself(split: Split) -> None:
    """Return None: the target of each sample is its input."""


def class_counts(source: Source) -> Int64[Tensor, " k"]:
    """Return the number of training images of each class."""
    return torch.from_numpy(count(source.splits[TRAIN].labels, len(source.classes)))


#: One class per sample.
CLASSES = Target(read=labelled, divide=divide, counts=class_counts, match=one_class)
#: Any number of classes per sample.
LABEL_SETS = replace(CLASSES, match=label_sets)
#: The input itself.
INPUTS = Target(read=without_labels, divide=divide_unlabelled, collate=itself)
