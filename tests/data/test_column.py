"""Columns: selection, joining, and the fingerprints by which runs recognise their data."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import numpy as np
import pytest

from convworks.data.column import COLOURS, Arrays, Column, Files, Spatial, files_of, join
from convworks.data.source import Split

PIXELS = np.arange(5 * 3 * 2, dtype=np.uint8).reshape(5, 3, 2, 1)
LABELS = np.array([3, 1, 4, 1, 5])


@pytest.fixture
def files(tmp_path: Path) -> Files:
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(b"x" * (number + 1))
    return Files(tuple(tmp_path / f"{number}.png" for number in range(5)), Spatial(nearest=True, fill=9))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def test_a_part_and_the_rest_joined_are_the_whole_in_another_order(files: Files) -> None:
    columns: list[Column] = [files, Arrays(PIXELS, COLOURS), Arrays(LABELS)]
    for column in columns:
        joined = join([column.select(np.array([4, 2])), column.select(np.array([0, 1, 3]))])
        order = np.array([4, 2, 0, 1, 3])
        assert (len(joined), joined.spatial) == (5, column.spatial)
        assert joined.contents() == [column.contents()[index] for index in order]
        assert joined.fingerprint() == column.select(order).fingerprint() != column.fingerprint()
    assert files_of(files.select(np.array([1]))) == (files.files[1],)
    assert files_of(Arrays(LABELS)) == ()


def test_fingerprints_are_those_that_runs_of_earlier_versions_recorded(files: Files) -> None:
    assert files.fingerprint() == sha256(b"[1, 2, 3, 4, 5]")
    assert Arrays(PIXELS, COLOURS).fingerprint() == sha256(f"[{zlib.crc32(PIXELS.tobytes())}]".encode())
    assert Arrays(LABELS).fingerprint() == sha256(LABELS.tobytes())


def test_samples_with_masks_have_no_labels(files: Files) -> None:
    names = tuple("abcde")
    masked = Split(names=names, inputs=Arrays(PIXELS, COLOURS), targets=files)
    assert masked.labels.tolist() == [-1] * 5
    assert masked.select(np.array([2])).targets == files.select(np.array([2]))
    assert masked.targets_as_inputs().inputs == files
    assert masked.with_labels(LABELS).labels.tolist() == LABELS.tolist()
