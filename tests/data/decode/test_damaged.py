"""Damaged files are left out before anything depends on the set of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convworks
from convworks.data.cache import store as cache
from convworks.data.column import Files
from convworks.data.config import AugmentConfig, DataConfig
from convworks.data.decode import damaged
from convworks.data.decode.damaged import leave_out
from convworks.data.inspect.variations import plan
from convworks.data.source import Source
from convworks.data.sources.open import open_source
from convworks.errors import InputError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(cache.LIMIT, "1MB")
    rng = np.random.default_rng(0)
    root = tmp_path / "set"
    for split, count in (("train", 18), ("test", 2)):
        for name in ("ants", "bees"):
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 256, (100, 90, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{index:02d}.jpg")
    return root


def damage(*files: Path) -> None:
    for file in files:
        file.write_bytes(file.read_bytes()[:-2000])


def names(source: Source) -> set[str]:
    return {name for split in source.splits.values() for name in split.names}


def test_damaged_files_are_left_out_of_every_split(folder: Path) -> None:
    whole = open_source(folder)
    np.save(folder / "train" / "ants" / "six.npy", np.zeros((9, 9, 6), np.uint8))
    damage(folder / "train/ants/03.jpg", folder / "test/bees/01.jpg")
    (folder / "train/bees/00.jpg").write_text("text")
    usable = leave_out(open_source(folder), 0.1)
    assert sorted(usable.damaged) == ["test/bees/01.jpg", "train/ants/03.jpg", "train/bees/00.jpg"]
    assert "truncated" in usable.damaged["train/ants/03.jpg"]
    assert names(usable.source) == names(whole) - set(usable.damaged) | {"train/ants/six.npy"}
    train = usable.source.splits["train"]
    assert isinstance(train.inputs, Files)
    for name, file, label in zip(train.names, train.inputs.files, train.labels, strict=True):
        assert file == folder / name
        assert name.split("/")[1] == usable.source.classes[label]
    assert usable.line().startswith(f"skipped 3 damaged of {folder}: ")
    assert leave_out(usable.source, 0.0).damaged == {}, "what is left is whole"


def test_above_the_share_is_refused(folder: Path) -> None:
    damage(folder / "train/ants/03.jpg", folder / "train/bees/03.jpg")
    assert len(leave_out(open_source(folder), 2 / 40).damaged) == 2
    with pytest.raises(InputError, match=r"2 of 40 images are damaged \(train/ants/03.jpg: .*, more than 0.04 of them"):
        leave_out(open_source(folder), 0.04)
    assert leave_out(open_source(folder), None).source.splits["train"].names[3] == "train/ants/03.jpg"


def test_a_class_without_whole_images_is_refused(folder: Path) -> None:
    damage(folder / "test/ants/00.jpg", folder / "test/ants/01.jpg")
    with pytest.raises(InputError, match="all images of class 'ants' in test are damaged; repair or replace"):
        leave_out(open_source(folder), 0.5)


def test_what_was_found_is_noted_until_a_file_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damage(folder / "train/ants/03.jpg")
    source = open_source(folder)
    usable_source = leave_out(source, 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(damaged, "each", None)
        assert leave_out(source, 0.1).damaged == usable_source.damaged
    damage(folder / "train/bees/03.jpg")
    assert len(leave_out(source, 0.1).damaged) == 2
    cache.clear()
    assert list(cache.folder().iterdir()) == []
    monkeypatch.setenv(cache.LIMIT, "0")
    assert len(leave_out(source, 0.1).damaged) == 2
    assert list(cache.folder().iterdir()) == []


@pytest.mark.parametrize("content", ["text", "{}", "[1]", '[{"index": 1}]', "5"])
def test_a_damaged_note_is_passed_over(folder: Path, content: str) -> None:
    damage(folder / "train/ants/03.jpg")
    usable_source = leave_out(open_source(folder), 0.1)
    for note in cache.folder().glob("*.damaged"):
        note.write_text(content)
    assert leave_out(open_source(folder), 0.1).damaged == usable_source.damaged


def test_arrays_have_no_damage() -> None:
    source = open_source("digits")
    assert leave_out(source, 0.0).source is source


def test_what_cannot_be_read_just_now_is_not_noted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(folder)
    unreadable = folder / "train" / "ants" / "05.jpg"
    saved_bytes = unreadable.read_bytes()
    unreadable.unlink()
    assert leave_out(source, 0.2).damaged.keys() == {"train/ants/05.jpg"}
    unreadable.write_bytes(saved_bytes)
    assert leave_out(source, 0.2).damaged == {}


def test_a_set_that_is_decoded_when_it_is_wanted_names_all_damage_before_training(folder: Path, tmp_path: Path) -> None:
    damage(folder / "train/ants/03.jpg", folder / "test/bees/01.jpg")
    with pytest.raises(InputError, match=r"2 of 40 images cannot be used") as caught:
        convworks.train(data=folder, epochs=1, out=tmp_path / "run", overrides=["data.decode=always"])
    assert "test/bees/01.jpg" in str(caught.value)
    assert "train/ants/03.jpg" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_the_sheet_of_augmentation_leaves_out_what_training_leaves_out(folder: Path) -> None:
    damage(folder / "train/ants/03.jpg")
    data = DataConfig(source=str(folder), size=(16, 16), skip_damaged=0.1)
    split, _ = plan(open_source(folder), data, AugmentConfig(), seed=0, batch_size=8, largest=64)
    assert "train/ants/03.jpg" not in split.names
