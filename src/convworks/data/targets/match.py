"""The labels of a source by the classes of a network, matched by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from convworks.data.labels import Labels, finder, present
from convworks.data.source import Source, Split
from convworks.errors import InputError


def one_class(source: Source, split: Split, classes: Sequence[str]) -> Split:
    """Return a split whose labels are places in `classes`."""
    return replace(split, labels=match_classes(source, split, classes))


def label_sets(source: Source, split: Split, classes: Sequence[str]) -> Split:
    """Return a split whose labels are a matrix of samples by `classes`."""
    return replace(split, labels=match_classes(source, split, classes, sets=True))


def unchanged(source: Source, split: Split, classes: Sequence[str]) -> Split:
    """Return a split as it is: its labels are not asked for."""
    return split


def match_classes(source: Source, split: Split, classes: Sequence[str], *, sets: bool = False) -> Labels:
    """Return the split's labels as positions in the bundle's classes, which are matched by name.

    Where a bundle knows `sets` of labels, so must the source; classes that it does not name are not shown.
    """
    if not source.classes:
        raise InputError(
            source.where,
            "holds images without labels",
            "sort them into one folder a class, or use `convworks predict`",
        )
    if source.multi_label != sets:
        has, wants = ("one label", "any number of labels")[:: -1 if source.multi_label else 1]
        reason = f"has images of {has}, but the bundle was trained on images of {wants}"
        raise InputError(source.where, reason, "give a source such as it was trained on (docs/sources.md)")
    used = present(split.labels).tolist()
    places = list(map(finder(classes), source.classes))
    unknown = [source.classes[label] for label in used if places[label] is None]
    if unknown:
        raise InputError(
            source.where,
            f"has classes that the bundle does not know: {', '.join(unknown[:5])}",
            f"the bundle knows: {', '.join(classes[:10])}{' ...' if len(classes) > 10 else ''}",
        )
    positions = np.array([-1 if position is None else position for position in places])
    if sets:
        there = np.flatnonzero(positions >= 0)
        matched = np.zeros((len(split), len(classes)), dtype=bool)
        matched[:, positions[there]] = split.labels[:, there]
        return matched
    labels: np.ndarray = positions[split.labels]
    return labels
