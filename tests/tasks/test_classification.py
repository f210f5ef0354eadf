from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from convworks.csv_files import read_csv
from convworks.errors import InputError, RunError
from convworks.tasks.outcomes.classification import CSV_CLASSES, Predictions


def make(
    rows: list[list[float]], labels: list[int], classes: tuple[str, ...], names: tuple[str, ...] = ()
) -> Predictions:
    return Predictions(
        split="test",
        names=names or tuple(f"test/{i:05d}" for i in range(len(labels))),
        classes=classes,
        labels=np.array(labels, np.int64),
        probabilities=np.array(rows, np.float32),
    )


def test_derived_values() -> None:
    found = make([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2], [0.05, 0.9, 0.05]], [0, 1, 2], ("a", "b", "c"))
    assert found.predicted.tolist() == [0, 0, 1]  # of equals the first
    assert found.correct.tolist() == [True, False, False]
    np.testing.assert_allclose(found.confidence, [0.7, 0.4, 0.9])
    np.testing.assert_allclose(found.true_probability, [0.7, 0.4, 0.05])
    assert found.worst(36) == [2, 1]
    assert found.worst(1) == [2]


def test_csv_round_trip_with_awkward_names(tmp_path: Path) -> None:
    classes = ('a "quoted", name', "猫", "=1+1")
    names = ("test/a,b.png", "test/line\nbreak.png", "plain")
    rows = [[0.5, 0.25, 0.25], [1e-7, 0.9999999, 0], [0.1, 0.2, 0.7]]
    make(rows, [0, 2, 2], classes, names).write_csv(tmp_path / "predictions.csv")
    header, cells = read_csv(tmp_path / "predictions.csv", "path")
    read = [dict(zip(header, row, strict=True)) for _, row in cells]
    assert [row["path"] for row in read] == list(names)
    assert [row["label"] for row in read] == [classes[i] for i in (0, 2, 2)]
    assert [row["predicted"] for row in read] == [classes[i] for i in (0, 1, 2)]
    assert [row["correct"] for row in read] == ["1", "0", "1"]
    for row, expected in zip(read, rows, strict=True):
        assert [float(row[f"p:{name}"]) for name in classes] == pytest.approx(expected, rel=1e-5)
        assert float(row["probability"]) == pytest.approx(max(expected), rel=1e-5)
    assert os.listdir(tmp_path) == ["predictions.csv"]
    text = (tmp_path / "predictions.csv").read_text(encoding="utf-8")
    assert ",=" not in text  # which a spreadsheet would compute
    assert text.count(",'=1+1") == 3  # the label twice, and one answer


def test_csv_keeps_no_column_a_class_where_there_are_many(tmp_path: Path) -> None:
    k = CSV_CLASSES + 1
    make([[1 / k] * k], [3], tuple(map(str, range(k)))).write_csv(tmp_path / "p.csv")
    header, row = (tmp_path / "p.csv").read_text().splitlines()
    assert header == "path,label,predicted,probability,correct"
    assert row == "test/00000,3,0,0.047619,0"


def test_csv_keeps_file_names_that_are_not_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    make([[1.0]], [0], ("a",), (name,)).write_csv(tmp_path / "p.csv")
    assert b"\ncaf\xe9.jpg,a," in (tmp_path / "p.csv").read_bytes()


@pytest.mark.parametrize(
    ("rows", "labels", "error", "reason"),
    [
        ([[0.5, 0.5]], [2], InputError, "labels run from 2 to 2, classes from 0 to 1"),
        ([[0.5, 0.5]], [-1], InputError, "labels run from -1"),
        ([[float("nan"), 0.5]], [0], RunError, "1 of 1 rows hold numbers outside 0..1, the first for 'test/00000'"),
        ([[0.5, 0.5], [-0.1, 1.1]], [0, 1], RunError, "the first for 'test/00001'"),
    ],
)
def test_impossible_predictions_are_refused(
    rows: list[list[float]], labels: list[int], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        make(rows, labels, ("a", "b"))


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(InputError, match="'test': hold 0 samples of 2 classes"):
        Predictions(
            split="test",
            names=(),
            classes=("a", "b"),
            labels=np.zeros(0, np.int64),
            probabilities=np.zeros((0, 2), np.float32),
        )


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(InputError, match="shapes disagree"):
        make([[0.5, 0.5]], [0], ("a", "b", "c"))
