"""The 1,797 scanned digits that ship with scikit-learn: the source that needs no download."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from convworks.data.column import COLOURS, Arrays
from convworks.data.source import Source, Split, number_names

TEST_EVERY = 5  # every fifth image of each class belongs to the test set


def open_digits() -> Source:
    """Open the digits: 8x8 greyscale, with a fixed stratified fifth as the test set."""
    images, labels = _read()
    arrays = np.round(images * (255 / 16)).astype(np.uint8)[..., None]
    is_test = np.zeros(len(labels), dtype=bool)
    for label in range(10):
        is_test[np.flatnonzero(labels == label)[TEST_EVERY - 1 :: TEST_EVERY]] = True
    splits = {
        name: Split(
            names=number_names(name, int(mask.sum())),
            inputs=Arrays(arrays[mask], COLOURS),
            targets=Arrays(labels[mask]),
        )
        for name, mask in (("train", ~is_test), ("test", is_test))
    }
    classes = tuple(str(label) for label in range(10))
    return Source(name="digits", kind="digits", path=None, classes=classes, splits=splits)


def _read() -> tuple[np.ndarray, np.ndarray]:
    """Return images [n, 8, 8] of values 0..16 and labels, read directly: importing sklearn takes a second."""
    spec = importlib.util.find_spec("sklearn")
    file = Path(spec.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if spec else Path()
    if file.is_file():
        rows = np.loadtxt(gzip.decompress(file.read_bytes()).decode().splitlines(), delimiter=",", dtype=np.int64)
        return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1]
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images, bunch.target.astype(np.int64)
