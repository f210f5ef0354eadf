"""Two networks on the same images, from memory and from predictions.csv."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import convworks
from convworks.errors import InputError
from convworks.report.comparison import from_outcome, pair, read_answers
from convworks.report.comparison_page import write_pair
from convworks.tasks.outcomes.classification import Predictions
from convworks.tasks.outcomes.multi_label import LabelSetPredictions

PICTURE = np.zeros((4, 4, 3), np.uint8)


def made(seed: int, n: int = 200, k: int = 3, sharp: float = 1.5) -> Predictions:
    labels = np.random.default_rng(0).integers(0, k, n)
    scores = np.random.default_rng(seed).normal(size=(n, k))
    scores[np.arange(n), labels] += sharp
    odds = np.exp(scores)
    return Predictions(
        split="test",
        names=tuple(f"test/{i}.png" for i in range(n)),
        classes=tuple("abcdefghijklmnopqrstuvwxyz"[:k]),
        labels=labels,
        probabilities=(odds / odds.sum(1, keepdims=True)).astype(np.float32),
    )


def write(path: Path, predictions: Predictions | LabelSetPredictions) -> str:
    predictions.write_csv(path)
    return str(path)


def test_figures_are_those_of_the_counts() -> None:
    a, b = made(1), made(2, sharp=2)
    values = pair(from_outcome("A", a), from_outcome("B", b)).plain()
    gained, lost = int((~a.correct & b.correct).sum()), int((a.correct & ~b.correct).sum())
    assert (values["only_second"], values["only_first"]) == (gained, lost)
    assert values["difference"] == pytest.approx(b.correct.mean() - a.correct.mean())
    assert values["p"] == pytest.approx(stats.binomtest(gained, gained + lost).pvalue)
    assert values["both_right"] + values["both_wrong"] + gained + lost == values["n"] == 200
    assert values["first"]["accuracy"] == pytest.approx(a.correct.mean())
    low, high = values["second"]["interval"]
    assert low <= values["second"]["accuracy"] <= high


@pytest.mark.parametrize("k", [3, 22])
def test_files_say_what_memory_does_in_any_order(tmp_path: Path, k: int) -> None:
    a, b = made(1, k=k), made(2, k=k)
    order = np.random.default_rng(3).permutation(len(b.names))
    shuffled = replace(
        b, names=tuple(b.names[i] for i in order), labels=b.labels[order], probabilities=b.probabilities[order]
    )
    files = write(tmp_path / "a.csv", a), write(tmp_path / "b.csv", shuffled)
    results = convworks.compare(*files, out=tmp_path / "out")
    expected = pair(from_outcome("A", a), from_outcome("B", b)).plain()
    for name in (
        "n",
        "difference",
        "difference_interval",
        "p",
        "only_first",
        "only_second",
        "both_right",
        "both_wrong",
    ):
        assert results[name] == expected[name]
    with (tmp_path / "out" / "compare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = [row["path"] for row in rows if row["right"] == "second"]
    assert sorted(right) == sorted(np.array(a.names)[~a.correct & b.correct])
    assert len(rows) == results["only_first"] + results["only_second"]
    assert all((row["label"] == row[row["right"]]) and 0 < float(row["first_probability"]) <= 1 for row in rows)
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "McNemar" in page
    assert "<figure>" not in page


def test_several_labels_are_compared_by_all_right(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    labels, probabilities = generator.random((40, 3)) < 0.4, generator.random((40, 3)).astype(np.float32)
    names, classes = tuple(map(str, range(40))), ("a", "b", "c")
    a = LabelSetPredictions(split="test", names=names, classes=classes, labels=labels, probabilities=probabilities)
    b = replace(a, probabilities=np.where(labels, 0.9, probabilities).astype(np.float32))
    files = write(tmp_path / "a.csv", a), write(tmp_path / "b.csv", b)
    results = convworks.compare(*files)
    assert results["difference"] == pytest.approx(b.correct.mean() - a.correct.mean())
    assert np.isnan(read_answers(tmp_path / "a.csv").confidence).all()
    # Nothing says how sure such an answer is, so the page does not claim an order by that.
    page = write_pair(
        tmp_path, pair(*map(read_answers, map(Path, files))), title="", image=lambda name: PICTURE, command=""
    ).read_text()
    assert "Only the second is right" in page
    assert "surest" not in page


def test_a_network_and_itself_do_not_differ(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", made(1))
    results = convworks.compare(path, path, out=tmp_path / "out")
    assert (results["difference"], results["p"], results["only_first"]) == (0, 1, 0)
    assert "no significant difference" in (tmp_path / "out" / "compare.html").read_text()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'=", "'"])
def test_names_that_spreadsheets_would_compute_are_read_as_they_were(tmp_path: Path, start: str) -> None:
    plain = made(1, n=20)
    odd = replace(
        plain,
        names=tuple(start + name for name in plain.names),
        classes=tuple(start.strip() + name for name in plain.classes),
    )
    path = Path(write(tmp_path / "a.csv", odd))
    answers_read = read_answers(path)
    assert (answers_read.names, answers_read.labels) == (from_outcome("A", odd).names, from_outcome("A", odd).labels)
    assert answers_read.classes == frozenset(odd.classes)
    assert convworks.compare(path, path)["n"] == 20


def test_a_file_that_names_an_image_twice_is_refused(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.csv", made(1)))
    path.write_text(path.read_text() + path.read_text().splitlines()[3] + "\n")
    with pytest.raises(InputError, match=r"names test/2.png more than once"):
        read_answers(path)


def test_what_cannot_be_compared_is_refused() -> None:
    a, b = from_outcome("A", made(1)), from_outcome("B", made(2))
    with pytest.raises(InputError, match="has different classes from A: only A knows c"):
        pair(a, replace(b, classes=frozenset("ab")))
    with pytest.raises(InputError, match=r"A: 1 of 200 images are not among those of the other: test/199.png"):
        pair(a, b.select(range(199)))
    with pytest.raises(InputError, match=r"B: says that test/0.png is 'z', A that it is"):
        pair(a, replace(b, labels=("z", *b.labels[1:])))
