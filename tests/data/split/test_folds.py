"""Folds: equal to scikit-learn's, each image once, groups undivided, test untouched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.model_selection import KFold, StratifiedKFold
from thorough import repeats

from convworks.data.column import COLOURS, Arrays, Spatial
from convworks.data.config import DataConfig, Fold
from convworks.data.source import Source, Split, with_validation
from convworks.data.sources.open import open_source
from convworks.data.split.folds import assign, divide, fold_count, held_out, pool, with_fold
from convworks.errors import InputError


def small(labels: list[int], classes: int = 2) -> Source:
    n = len(labels)
    split = Split(
        names=tuple([f"train/{index:03d}" for index in range(n)]),
        inputs=Arrays(np.zeros((n, 2, 2, 1), np.uint8), COLOURS),
        targets=Arrays(np.array(labels, dtype=np.int64)),
    )
    return Source(name="small", kind="arrays", path=None, classes=tuple("abcdef"[:classes]), splits={"train": split})


def table(folder: Path, groups: list[str], labels: list[str]) -> Source:
    rows = ["path,label,patient"]
    for index, (group, label) in enumerate(zip(groups, labels, strict=True)):
        rows.append(f"{index:03d}.png,{label},{group}")
        Image.new("L", (4, 4), index % 256).save(folder / f"{index:03d}.png")
    (folder / "data.csv").write_text("\n".join(rows))
    return open_source(folder / "data.csv")


def test_folds_are_those_of_scikit_learn() -> None:
    source = open_source("digits")
    labels = source.splits["train"].labels
    for stratified, kind in ((True, StratifiedKFold), (False, KFold)):
        result = assign(source, Fold(number=1, of=4, stratified=stratified), 7)
        for number, (_, mine) in enumerate(kind(4, shuffle=True, random_state=7).split(labels, labels)):
            np.testing.assert_array_equal(np.flatnonzero(result == number), mine)


def test_a_column_of_one_fold_divides_nothing(tmp_path: Path) -> None:
    source = replace(table(tmp_path, ["1"] * 4, list("abab")), fold_column="patient")
    with pytest.raises(InputError, match="has a single fold in its column 'patient'; number at least two, or draw"):
        fold_count(source)


def test_a_column_of_folds_is_followed(tmp_path: Path) -> None:
    folds = ["10", "2", "1"] * 4
    source = table(tmp_path, folds, list("abab") * 3)
    fold = Fold(number=2, of=3, column="patient")
    assert assign(source, fold, 0).tolist() == [2, 1, 0] * 4  # 1, 2, 10
    divided = divide(source, DataConfig(source="x", fold=fold), 0)
    assert set(divided.splits["validation"].names) == {f"{index:03d}.png" for index in (1, 4, 7, 10)}
    assert held_out(source, divided, DataConfig(source="x", fold=fold), 0) == (
        "4 of 12 images, fold 2 of 3, column patient"
    )
    with pytest.raises(InputError, match="4 are not the 3 folds of column 'patient'; choose 3"):
        assign(source, Fold(number=1, of=4, column="patient"), 0)


def test_a_validation_split_that_a_run_makes_is_described() -> None:
    source, data = small([0, 1] * 10), DataConfig(source="x", validation_seed=3)
    divided = divide(source, data, 0)
    assert held_out(source, divided, data, 0) == "2 of 20 images held out of train, stratified, seed 3"
    assert held_out(divided, divide(divided, data, 0), data, 0) == ""
    fold = DataConfig(source="x", fold=Fold(number=1, of=5))
    assert held_out(source, divide(source, fold, 7), fold, 7) == "4 of 20 images, fold 1 of 5, stratified, seed 7"


def test_a_validation_split_of_masks_is_drawn_at_random() -> None:
    labelled, data = small([0, 1] * 10), DataConfig(source="x")
    masks = Arrays(np.zeros((20, 4, 4, 1), np.uint8), Spatial(nearest=True))
    source = replace(labelled, splits={name: replace(each, targets=masks) for name, each in labelled.splits.items()})
    assert held_out(source, divide(source, data, 0), data, 0) == "2 of 20 images held out of train, at random, seed 0"
    fold = DataConfig(source="x", fold=Fold(number=1, of=5))
    assert held_out(source, divide(source, fold, 7), fold, 7) == "4 of 20 images, fold 1 of 5, seed 7"


def test_every_image_is_validated_once_and_test_never() -> None:
    source = open_source("digits")
    validated: list[str] = []
    for number in range(1, 6):
        divided = with_fold(source, Fold(number=number, of=5), 0)
        names = divided.splits["validation"].names
        assert not set(names) & set(divided.splits["train"].names)
        assert divided.splits["test"] is source.splits["test"]
        validated += names
    assert sorted(validated) == sorted(source.splits["train"].names)


def test_a_validation_set_takes_part() -> None:
    source = with_validation(open_source("digits"), fraction=0.2, seed=0, limit=None)
    together = pool(source)
    assert len(together) == len(source.splits["train"]) + len(source.splits["validation"])
    assert together.names[-1] == source.splits["validation"].names[-1]
    divided = with_fold(source, Fold(number=2, of=3), 0)
    assert set(divided.splits["validation"].names) & set(source.splits["validation"].names)
    assert isinstance(together.inputs, Arrays)
    result = divided.splits["validation"]
    assert isinstance(result.inputs, Arrays)
    np.testing.assert_array_equal(
        result.inputs.values[0], together.inputs.values[together.names.index(result.names[0])]
    )


@settings(max_examples=repeats(20, 25))
@given(
    groups=st.lists(st.integers(0, 7), min_size=30, max_size=60).filter(lambda g: len(set(g)) >= 4),
    stratified=st.booleans(),
    seed=st.integers(0, 2**40),
)
def test_groups_are_never_divided(
    tmp_path_factory: pytest.TempPathFactory, groups: list[int], stratified: bool, seed: int
) -> None:
    labels = ["ab"[index % 2] for index in range(len(groups))]
    source = table(tmp_path_factory.mktemp("groups"), [str(group) for group in groups], labels)
    fold = Fold(number=1, of=3, stratified=stratified, group_by="patient")
    try:
        result = assign(source, fold, seed)
    except InputError:  # all images of a class fell into one fold
        reject()
    for group in set(groups):
        assert len({int(fold) for fold, other in zip(result, groups, strict=True) if other == group}) == 1
    assert set(result.tolist()) == {0, 1, 2}


def test_a_run_is_divided_by_its_configuration() -> None:
    source = open_source("digits")
    plain = divide(source, DataConfig(source="digits"), 5)
    pinned = divide(source, DataConfig(source="digits", validation_seed=5), 9)
    assert plain.splits["validation"].names == pinned.splits["validation"].names
    other = divide(source, DataConfig(source="digits"), 9)
    assert plain.splits["validation"].names != other.splits["validation"].names
    fold = Fold(number=3, of=5)
    assert divide(source, DataConfig(source="digits", fold=fold), 5).splits["validation"].names == (
        with_fold(source, fold, 5).splits["validation"].names
    )


def test_what_cannot_be_divided_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--folds: 3 are more than the images of class 'b' \(2\); choose at most 2"):
        assign(small([0, 0, 0, 1, 1]), Fold(number=1, of=3), 0)
    with pytest.raises(InputError, match="--folds: 6 are more than the 5 images"):
        assign(small([0, 0, 0, 1, 1]), Fold(number=1, of=6, stratified=False), 0)
    with pytest.raises(InputError, match="'patient', but small is not a CSV file"):
        assign(small([0, 0, 1, 1]), Fold(number=1, of=2, group_by="patient"), 0)
    source = table(tmp_path, ["x", "x", "y", "y"], ["a", "b", "a", "b"])
    with pytest.raises(InputError, match="3 are more than the 2 groups of column 'patient'; choose at most 2"):
        assign(source, Fold(number=1, of=3, group_by="patient"), 0)
    with pytest.raises(InputError, match=r"has no column 'patien' \(did you mean 'patient'\?\)"):
        assign(source, Fold(number=1, of=2, group_by="patien"), 0)
    source = table(tmp_path, ["x", "x", "y", "y", "z"], ["b", "b", "a", "a", "a"])
    with pytest.raises(InputError, match="holds all images of class 'b', so none is left to train on"):
        assign(source, Fold(number=1, of=2, group_by="patient"), 0)
    (tmp_path / "data.csv").write_text("path,label,patient\n000.png,a,x\n001.png,b,\n")
    with pytest.raises(InputError, match="line 3: has no patient"):
        assign(open_source(tmp_path / "data.csv"), Fold(number=1, of=2, group_by="patient"), 0)
    with pytest.raises(ValueError, match="number 3 must lie between 1 and of 2"):
        Fold(number=3, of=2)
    source = open_source("digits")
    mixed = replace(
        source,
        splits={
            **source.splits,
            "validation": Split(
                names=("validation/0",),
                inputs=Arrays(np.zeros((1, 9, 9, 1), np.uint8), COLOURS),
                targets=Arrays(np.array([0])),
            ),
        },
    )
    with pytest.raises(InputError, match=r"images of \(8, 8, 1\) in train and of \(9, 9, 1\) in validation"):
        pool(mixed)
