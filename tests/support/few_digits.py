"""A sixth of the embedded digits, for tests that train on digits and do not care on how many."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from convworks.data.column import Arrays
from convworks.data.sources import digits

COUNT, ALL = 300, 1797


@contextmanager
def few_digits(count: int = COUNT) -> Iterator[None]:
    """Let the source `digits` of this process have so many images."""
    images, labels = digits._read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "_read", lambda: (images[:count], labels[:count]))
        yield


def write_few(folder: Path, count: int = COUNT) -> Path:
    """Write so many digits as IDX files, for other processes; return their folder."""
    folder.mkdir(parents=True)
    with few_digits(count):
        splits = digits.open_digits().splits
    for name, stem in (("train", "train"), ("test", "t10k")):
        split = splits[name]
        assert isinstance(split.inputs, Arrays)
        header = struct.pack(">IIII", 0x803, *split.inputs.values.shape[:3])
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(header + split.inputs.values.tobytes())
        labels = split.labels.astype(np.uint8)
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, len(labels)) + labels.tobytes())
    return folder


@pytest.fixture(autouse=True, scope="module")
def train_on_few(request: pytest.FixtureRequest) -> Iterator[None]:
    """Train on few digits where this is imported, or on as many as a module says by `DIGITS`."""
    with few_digits(getattr(request.module, "DIGITS", COUNT)):
        yield
