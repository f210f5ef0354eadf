"""Mapping the labels of a source to the classes of a network by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convworks.data.labels import Labels, finder, present
from convworks.data.source import Source, Split, require_labels
from convworks.errors import InputError


def one_class(source: Source, split: Split, classes: Sequence[str]) -> Split:
    """Return a split whose labels are indices into `classes`."""
    return split.with_labels(match_classes(source, split, classes))


def label_sets(source: Source, split: Split, classes: Sequence[str]) -> Split:
    """Return a split whose labels are a boolean matrix of samples by `classes`."""
    return split.with_labels(match_classes(source, split, classes, sets=True))


def unchanged(source: Source, split: Split, classes: Sequence[str]) -> Split:
    """Return a split unchanged, for tasks without labels."""
    return split


def match_classes(source: Source, split: Split, classes: Sequence[str], *, sets: bool = False) -> Labels:
    """Return the labels of a split as indices into the classes of a bundle, matched by name.

    With `sets`, bundle and source must both have label sets; classes that the source lacks are absent.
    """
    if not source.classes:
        raise InputError(
            source.where,
            "has images without labels",
            "sort them into one folder per class, or use `convworks predict`",
        )
    require_labels(source, "give a labelled source, or use `convworks predict`")
    if source.multi_label != sets:
        has, wants = ("one label", "multiple labels")[:: -1 if source.multi_label else 1]
        reason = f"has images of {has}, but the bundle was trained on images of {wants}"
        raise InputError(source.where, reason, "give a source such as it was trained on (docs/sources.md)")
    used = present(split.labels).tolist()
    matches = list(map(finder(classes), source.classes))
    unknown = [source.classes[label] for label in used if matches[label] is None]
    if unknown:
        raise InputError(
            source.where,
            f"has classes unknown to the bundle: {', '.join(unknown[:5])}",
            f"the bundle's classes: {', '.join(classes[:10])}{' ...' if len(classes) > 10 else ''}",
        )
    positions = np.array([-1 if position is None else position for position in matches])
    if sets:
        known = np.flatnonzero(positions >= 0)
        matrix = np.zeros((len(split), len(classes)), dtype=bool)
        matrix[:, positions[known]] = split.labels[:, known]
        return matrix
    labels: np.ndarray = positions[split.labels]
    return labels
