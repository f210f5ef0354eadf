"""Labels of images: one class each (a number, -1 for none), or any number of classes (a row of a matrix)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float32, Int64

#: One class per image, a boolean for each of k classes, or a target value.
Labels = Int64[np.ndarray, " n"] | Bool[np.ndarray, "n k"] | Float32[np.ndarray, "n *target"]
#: The name of one class, or those of several.
Names = str | tuple[str, ...]
#: The label of an image without one.
UNLABELLED = -1
#: Separates the names of several classes of an image.
SEPARATOR = ";"

T = TypeVar("T")


def nfc(name: str) -> str:
    """Normalise a name for comparison: systems encode the same letters differently (é, or e and ´)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def finder(names: Iterable[str]) -> Callable[[str], int | None]:
    """Return a function from a name to its index in `names`, up to Unicode normalisation, or None."""
    indices = {name: index for index, name in enumerate(names)}
    normalised = {nfc(name): index for name, index in indices.items()}
    return lambda name: indices.get(name, normalised.get(nfc(name)))


def has_label_sets(labels: Labels) -> bool:
    """Return whether each image has a set of labels instead of exactly one."""
    return labels.dtype == bool


def count(labels: Labels, classes: int) -> Int64[np.ndarray, " k"]:
    """Return the number of images of each class."""
    if has_label_sets(labels):
        return np.asarray(labels.sum(0), dtype=np.int64)
    return np.bincount(labels[labels >= 0], minlength=classes).astype(np.int64)


def present(labels: Labels) -> Int64[np.ndarray, " m"]:
    """Return the classes that occur, sorted (-1: no class)."""
    return np.flatnonzero(labels.any(0)) if has_label_sets(labels) else np.unique(labels)


def members(labels: Labels, label: int) -> Int64[np.ndarray, " m"]:
    """Return the indices of the images of a class."""
    return np.flatnonzero(labels[:, label] if has_label_sets(labels) else labels == label)


def label_text(labels: Labels, index: int, classes: Sequence[str]) -> str:
    """Return the label of an image as text: a class, or several as `cat;dog`; empty without one."""
    if has_label_sets(labels):
        return SEPARATOR.join(classes[label] for label in np.flatnonzero(labels[index]).tolist())
    return "" if labels[index] == UNLABELLED else classes[int(labels[index])]


def label_texts(labels: Labels, classes: Sequence[str]) -> list[str]:
    """Return the labels of all images as texts (`label_text`)."""
    if has_label_sets(labels):
        return [label_text(labels, index, classes) for index in range(len(labels))]
    texts = {UNLABELLED: "", **dict(enumerate(classes))}
    return [texts[label] for label in labels.tolist()]


def split_names(text: str) -> tuple[str, ...]:
    """Split a text such as `cat; dog` into names; an empty text has none."""
    return tuple(part for part in map(str.strip, text.split(SEPARATOR)) if part)


def renumber(labels: Labels, numbers: Sequence[int]) -> Int64[np.ndarray, " n"] | Bool[np.ndarray, "n m"]:
    """Renumber labels: numbers[old] is the new number, which several old ones may share."""
    if not has_label_sets(labels):
        return np.where(labels < 0, labels, np.asarray(numbers, dtype=np.int64)[labels])
    renumbered = np.zeros((len(labels), max(numbers) + 1), dtype=bool)
    for old, new in enumerate(numbers):
        renumbered[:, new] |= labels[:, old]
    return renumbered


def all_names(labels: Iterable[Names]) -> set[str]:
    """Return the names of all classes that occur."""
    return {name for names in labels for name in ([names] if isinstance(names, str) else names)}


def number(numbers: Sequence[int | Sequence[int]], classes: int) -> Labels:
    """Return labels as an array, from one class number per image, or several."""
    if not numbers or isinstance(numbers[0], int):
        return np.array(numbers, dtype=np.int64)
    labels = np.zeros((len(numbers), classes), dtype=bool)
    for row, label_set in zip(labels, numbers, strict=True):
        assert not isinstance(label_set, int)
        row[list(label_set)] = True
    return labels
