from __future__ import annotations

import pytest

from convworks.data.sources.split_names import split_of, split_within

WHOLE = {
    "train": ["train", "Train", "TRAINING", "training_set", "train-data", "trainset", "train images"],
    "validation": ["val", "Valid", "validate", "Validation", "dev", "DEV", "eval", "evaluation", "val_split", "devset"],
    "test": ["test", "Testing", "TEST", "test_set", "testset", " test "],
    None: ["trainer", "tests", "trains", "value", "device", "contest", "seg_train", "train2017", "all", "", "set", "t"],
}
WITHIN = {
    "train": ["seg_train", "train2017", "train-00000-of-00002.parquet", "my.Training.tar", "asl alphabet train"],
    "validation": ["val-000.tar", "set_dev_1.tar", "x.valid.tar"],
    "test": ["seg_test", "test1", "crash-test"],
    None: ["trainings.tar", "latest", "00000.tar", "contest-1", "attest"],
}


@pytest.mark.parametrize(("split", "name"), [(split, name) for split, names in WHOLE.items() for name in names])
def test_whole_names(split: str | None, name: str) -> None:
    assert split_of(name) == split


@pytest.mark.parametrize(("split", "name"), [(split, name) for split, names in WITHIN.items() for name in names])
def test_words_in_names(split: str | None, name: str) -> None:
    assert split_within(name) == split
