from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from convworks.data.column import Arrays
from convworks.data.source import Split
from convworks.data.sources.digits import open_digits


@pytest.mark.parametrize("file_is_there", [True, False])
def test_holds_scikit_learn_s_digits(monkeypatch: pytest.MonkeyPatch, file_is_there: bool) -> None:
    if not file_is_there:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    source = open_digits()
    assert (source.name, source.kind, source.classes) == ("digits", "digits", tuple("0123456789"))
    train, test = source.splits["train"], source.splits["test"]
    assert pixels_of(train).shape == (1442, 8, 8, 1)
    images, labels = load_digits(return_X_y=True)
    expected = {
        (bytes(np.round(row * 255 / 16).astype(np.uint8)), int(label))
        for row, label in zip(images, labels, strict=True)
    }
    result = [
        (array.tobytes(), int(label))
        for split in (train, test)
        for array, label in zip(pixels_of(split), split.labels, strict=True)
    ]
    assert len(result) == 1797
    assert set(result) == expected
    assert max(max(content) for content, _ in result) == 255


def pixels_of(split: Split) -> np.ndarray:
    assert isinstance(split.inputs, Arrays)
    return split.inputs.values


def test_test_set_is_a_stratified_fifth_and_fixed() -> None:
    first, second = open_digits(), open_digits()
    counts = {name: np.bincount(split.labels) for name, split in first.splits.items()}
    assert abs(counts["test"] / (counts["test"] + counts["train"]) - 0.2).max() < 0.01
    np.testing.assert_array_equal(pixels_of(first.splits["test"]), pixels_of(second.splits["test"]))


def test_opening_imports_neither_torch_nor_sklearn() -> None:
    program = "import sys; from convworks.data.sources.open import open_source; open_source('digits'); " + (
        "print([name for name in ('torch', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
