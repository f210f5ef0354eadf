"""What images show: one class each (a number, -1 for none), or any number of them (a row of a matrix)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float32, Int64

#: A class an image, or for each image which of k classes it shows.
Labels = Int64[np.ndarray, " n"] | Bool[np.ndarray, "n k"] | Float32[np.ndarray, "n *target"]
#: The same by names.
Names = str | tuple[str, ...]
#: Stands between the names of the classes of one image.
SEPARATOR = ";"

T = TypeVar("T")


def nfc(name: str) -> str:
    """Return a name as it is compared: systems write the same letters as different code points (é, or e and ´)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def finder(names: Iterable[str]) -> Callable[[str], int | None]:
    """Return a function from a name to its place among `names`, where there is one with the same letters."""
    places = {name: place for place, name in enumerate(names)}
    letters = {nfc(name): place for name, place in places.items()}
    return lambda name: places.get(name, letters.get(nfc(name)))


def has_label_sets(labels: Labels) -> bool:
    """Say whether an image may show several classes, or none."""
    return labels.dtype == bool


def count(labels: Labels, classes: int) -> Int64[np.ndarray, " k"]:
    """Return the number of images of each class."""
    if has_label_sets(labels):
        return np.asarray(labels.sum(0), dtype=np.int64)
    return np.bincount(labels[labels >= 0], minlength=classes).astype(np.int64)


def present(labels: Labels) -> Int64[np.ndarray, " m"]:
    """Return the classes that any image shows, in their order (-1: no class)."""
    return np.flatnonzero(labels.any(0)) if has_label_sets(labels) else np.unique(labels)


def members(labels: Labels, label: int) -> Int64[np.ndarray, " m"]:
    """Return the places of the images of a class."""
    return np.flatnonzero(labels[:, label] if has_label_sets(labels) else labels == label)


def label_text(labels: Labels, index: int, classes: Sequence[str]) -> str:
    """Return what an image shows as text: a class, or several as `cat;dog`."""
    if has_label_sets(labels):
        return SEPARATOR.join(classes[label] for label in np.flatnonzero(labels[index]).tolist())
    return classes[int(labels[index])]


def split_names(text: str) -> tuple[str, ...]:
    """Return the names in a text such as `cat; dog`; none in an empty one."""
    return tuple(part for part in map(str.strip, text.split(SEPARATOR)) if part)


def renumber(labels: Labels, numbers: Sequence[int]) -> Int64[np.ndarray, " n"] | Bool[np.ndarray, "n m"]:
    """Return labels by other numbers: numbers[old] is the new one, which several old ones may share."""
    if not has_label_sets(labels):
        return np.where(labels < 0, labels, np.asarray(numbers, dtype=np.int64)[labels])
    united = np.zeros((len(labels), max(numbers) + 1), dtype=bool)
    for old, new in enumerate(numbers):
        united[:, new] |= labels[:, old]
    return united


def all_names(found: Iterable[Names]) -> set[str]:
    """Return the classes that any image shows, by name."""
    return {each for names in found for each in ([names] if isinstance(names, str) else names)}


def number(found: Sequence[int | Sequence[int]], classes: int) -> Labels:
    """Return labels from a class an image, or from the classes of each."""
    if not found or isinstance(found[0], int):
        return np.array(found, dtype=np.int64)
    labels = np.zeros((len(found), classes), dtype=bool)
    for row, each in zip(labels, found, strict=True):
        assert not isinstance(each, int)
        row[list(each)] = True
    return labels
