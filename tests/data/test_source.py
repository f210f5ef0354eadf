from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convworks.data.column import COLOURS, Arrays, Files
from convworks.data.source import Source, Split, require_train, with_validation
from convworks.data.sources.open import open_source
from convworks.errors import InputError


def make(counts: dict[str, list[int]]) -> Source:
    """Make a source of 2x2 images with the given number of samples per class and split."""
    splits = {}
    for name, numbers in counts.items():
        labels = np.repeat(np.arange(len(numbers)), numbers)
        arrays = np.zeros((len(labels), 2, 2, 1), np.uint8)
        names = tuple(f"{name}/{index:05d}" for index in range(len(labels)))
        splits[name] = Split(names=names, inputs=Arrays(arrays, COLOURS), targets=Arrays(labels))
    classes = tuple("abcdefghij"[: len(next(iter(counts.values())))])
    return Source(name="made", kind="folder", path=None, classes=classes, splits=splits)


@given(
    counts=st.lists(st.integers(2, 60), min_size=2, max_size=5),
    fraction=st.floats(0.01, 0.9),
    seed=st.integers(0, 2**40),
    limit=st.none() | st.integers(1, 50),
)
def test_validation_is_stratified(counts: list[int], fraction: float, seed: int, limit: int | None) -> None:
    source = make({"train": counts, "test": counts})
    divided = with_validation(source, fraction=fraction, seed=seed, limit=limit)
    train, validation = divided.splits["train"], divided.splits["validation"]
    assert sorted(train.names + validation.names) == list(source.splits["train"].names)
    assert divided.splits["test"] is source.splits["test"]
    for label, count in enumerate(counts):
        trained, held = (train.labels == label).sum(), (validation.labels == label).sum()
        assert trained >= 1
        assert held >= 1
        assert trained + held == count
    if limit is not None:
        assert len(validation) <= max(limit, len(counts))
    assert (
        with_validation(source, fraction=fraction, seed=seed, limit=limit).splits["validation"].names
        == validation.names
    )


def test_validation_depends_on_the_seed_and_not_on_the_order() -> None:
    source = make({"train": [50, 50]})
    first = with_validation(source, fraction=0.2, seed=1, limit=None).splits["validation"]
    second = with_validation(source, fraction=0.2, seed=2, limit=None).splits["validation"]
    assert set(first.names) != set(second.names)
    shuffled = source.splits["train"].select(np.random.default_rng(0).permutation(100))
    again = Source(name="made", kind="folder", path=None, classes=("a", "b"), splits={"train": shuffled})
    assert set(with_validation(again, fraction=0.2, seed=1, limit=None).splits["validation"].names) == set(first.names)


def test_existing_validation_is_kept() -> None:
    source = make({"train": [5, 5], "validation": [2, 3]})
    assert with_validation(source, fraction=0.2, seed=0, limit=None) is source


BAD = {
    "single image": ({"train": [5, 1]}, "class 'b' has only 1 image in train"),
    "one class": ({"train": [5]}, "has 1 class in train ('a')"),
    "validation adds": (
        {"train": [5, 5, 0], "validation": [1, 1, 1]},
        "validation has class 'c', which is not in train",
    ),
    "no train": ({"test": [5, 5]}, "has only test, no train"),
}


@pytest.mark.parametrize("name", BAD)
def test_validation_refuses(name: str) -> None:
    counts, reason = BAD[name]
    with pytest.raises(InputError) as caught:
        with_validation(make(counts), fraction=0.2, seed=0, limit=None)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("fraction", "limit"), [(0.0, None), (1.0, None), (-1.0, None), (float("nan"), None), (0.1, 0)]
)
def test_validation_refuses_numbers(fraction: float, limit: int | None) -> None:
    with pytest.raises(InputError, match=r"validation (fraction|limit): must"):
        with_validation(make({"train": [5, 5]}), fraction=fraction, seed=0, limit=limit)


def test_images_without_classes_cannot_be_trained_on() -> None:
    split = Split(
        names=("1", "2"), inputs=Arrays(np.zeros((2, 2, 2, 1), np.uint8), COLOURS), targets=Arrays(np.full(2, -1))
    )
    source = Source(name="x", kind="folder", path=None, classes=(), splits={"test": split})
    with pytest.raises(InputError, match="holds images without class folders"):
        require_train(source)


def test_select() -> None:
    split = make({"train": [2, 2]}).splits["train"].select(np.array([3, 0]))
    assert split.names == ("train/00003", "train/00000")
    assert split.labels.tolist() == [1, 0]
    assert len(split) == 2


@pytest.mark.parametrize("names", [("1",), ("1", "2", "3")])
def test_split_lengths_must_agree(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="must agree"):
        Split(names=names, inputs=Files((Path("1"), Path("2"))), targets=Arrays(np.zeros(2, np.int64)))


WRONG = {
    "mnits": "is neither a known name nor an existing path (did you mean 'mnist'",
    "no/such/folder": "nor an existing path",
    "": "--data: is empty",
    "  ": "--data: is empty",
    "a\0b": "cannot be read (embedded null byte)",
    "file.txt": "is not a data set that convworks can read",
    "file.txt/below": "cannot be read (Not a directory)",
    "set.tar": "is not an uncompressed tar, or is damaged",
    "set.tar.gz": "is an archive; unpack it first",
    "set.ZIP": "is an archive; unpack it first",
    "photo.jpg": "is a single image",
    "dangling": "nor an existing path",
    "x" * 300: "cannot be read (File name too long)",
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("file.txt", "set.tar", "set.tar.gz", "set.ZIP", "photo.jpg"):
        (tmp_path / file).write_bytes(b"something")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(InputError) as caught:
        open_source(name)
    assert WRONG[name] in str(caught.value)
    assert caught.value.exit_status == 2
    assert "\n" not in str(caught.value)


def test_a_wrong_path_imports_neither_torch_nor_sklearn() -> None:
    program = """
import sys
from convworks.data.sources.open import open_source
from convworks.errors import InputError
try:
    open_source("no/such/path")
except InputError:
    print([name for name in ("torch", "sklearn", "matplotlib", "PIL.Image") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_mnist_is_the_published_one(data: Path) -> None:
    source = open_source(data / "mnist")
    assert [len(split) for split in source.splits.values()] == [60000, 10000]
    assert source.classes == tuple("0123456789")
    train = source.splits["train"]
    assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert isinstance(train.inputs, Arrays)
    assert train.inputs.values.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert train.inputs.values.std() / 255 == pytest.approx(0.3081, abs=1e-4)
