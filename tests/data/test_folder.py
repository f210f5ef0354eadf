from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convworks.data.folder import is_image
from convworks.data.source import open_source, with_validation
from convworks.errors import InputError


def write(root: Path, *names: str) -> Path:
    """Write small images, or text where a name does not end like an image's, in random order."""
    for name in random.sample(names, len(names)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_image(path.name):
            Image.new("RGB", (4, 3)).save(path)
        else:
            path.write_text("text")
    return root


def test_classes_without_splits(tmp_path: Path) -> None:
    write(tmp_path, "b/2.png", "b/1.jpg", "a/x.JPEG", "a/deep/er/y.png", "a/notes.txt", "list.csv", "a/.hidden.png")
    source = open_source(tmp_path)
    assert (source.kind, source.classes, list(source.splits)) == ("folder", ("a", "b"), ["train"])
    train = source.splits["train"]
    assert train.names == ("a/deep/er/y.png", "a/x.JPEG", "b/1.jpg", "b/2.png")
    assert train.labels.tolist() == [0, 0, 1, 1]
    assert train.files == tuple(tmp_path / name for name in train.names)
    assert source.ignored == ("list.csv", "a/.hidden.png", "a/notes.txt")


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val"])
def test_splits(tmp_path: Path, validation: str) -> None:
    names = [f"{split}/{label}/1.png" for split in ("train", validation, "test") for label in "ab"]
    write(tmp_path, *names, "docs/readme.md", "labels.txt")
    source = open_source(tmp_path)
    assert list(source.splits) == ["train", "validation", "test"]
    assert source.splits["validation"].names == (f"{validation}/a/1.png", f"{validation}/b/1.png")
    assert source.ignored == ("labels.txt", "docs/readme.md")


def test_test_alone_may_have_one_class(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "test/a/1.png"))
    assert (source.classes, list(source.splits)) == (("a",), ["test"])


def test_classes_named_like_splits_beside_others_are_classes(tmp_path: Path) -> None:
    assert open_source(write(tmp_path, "test/1.png", "control/1.png")).classes == ("control", "test")


def test_images_without_classes(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "2.png", "1.png", "x.txt"))
    assert (source.classes, list(source.splits)) == ((), ["test"])
    assert source.splits["test"].labels.tolist() == [-1, -1]
    assert source.splits["test"].names == ("1.png", "2.png")


def test_name_is_the_folder_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path / "pets", "a/1.png", "b/1.png"))
    assert open_source(".").name == "pets"


def test_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "1.png", "2.png")
    write(tmp_path / "set", "b/1.png")
    (tmp_path / "set" / "a").symlink_to(tmp_path / "elsewhere")
    assert open_source(tmp_path / "set").splits["train"].names == ("a/1.png", "a/2.png", "b/1.png")


def test_dangling_link_to_an_image_stays_to_be_reported(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "b" / "2.png").symlink_to(tmp_path / "nowhere.png")
    assert "b/2.png" in open_source(tmp_path).splits["train"].names


BAD = {
    "one class": (["a/1.png"], "has 1 class in train ('a')"),
    "one class in train": (["train/a/1.png", "test/a/1.png"], "has 1 class in train ('a')"),
    "no images": (["a/1.txt", "b/x.doc"], "holds no images (2 other files)"),
    "nothing": ([], "holds no images (0 other files)"),
    "empty class": (["a/1.png", "b/1.txt"], "is a class folder without images"),
    "empty class in a split": (["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/x"], "without images"),
    "empty split": (["train/a/1.png", "train/b/1.png", "test/a/1.txt"], "test: holds no images (1 other files)"),
    "flat split": (["train/a/1.png", "train/b/1.png", "test/1.png"], "test: holds no class folders"),
    "flat splits": (["train/1.png", "test/1.png"], "train hold no class folders"),
    "two validations": (["train/a/1.png", "val/a/1.png", "valid/a/1.png"], "has both val/ and valid/"),
    "unknown class": (
        ["train/cat/1.png", "train/dog/1.png", "val/cat/1.png", "val/dgo/1.png"],
        "validation has class 'dgo', which train lacks (did you mean 'dog'?)",
    ),
    "lacking class": (
        ["train/a/1.png", "train/b/1.png", "val/a/1.png"],
        "validation has no image of class 'b', which train has",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_folders(tmp_path: Path, name: str) -> None:
    files, reason = BAD[name]
    with pytest.raises(InputError) as caught:
        with_validation(open_source(write(tmp_path, *files)), fraction=0.5, seed=0, limit=None)
    assert reason in str(caught.value)
    assert caught.value.where.startswith(str(tmp_path))
    assert caught.value.remedy


def test_a_test_split_may_lack_a_class(tmp_path: Path) -> None:
    files = ["train/a/1.png", "train/a/2.png", "train/b/1.png", "train/b/2.png", "test/b/1.png"]
    source = with_validation(open_source(write(tmp_path, *files)), fraction=0.5, seed=0, limit=None)
    assert source.splits["test"].labels.tolist() == [1]


def test_one_class_can_be_evaluated_though_not_trained_on(tmp_path: Path) -> None:
    assert open_source(write(tmp_path, "cats/1.png", "cats/2.png")).classes == ("cats",)


def test_circle_of_links(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "b" / "again").symlink_to(tmp_path / "b")
    with pytest.raises(InputError, match="again: links back to a folder above it"):
        open_source(tmp_path)


def test_unreadable_class_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a/1.png", "b/1.png")
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "b":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)  # root may read anything, so the refusal is played
    with pytest.raises(InputError, match=r"b: cannot be read \(Permission denied\)"):
        open_source(tmp_path)


@given(st.sets(st.text("abcXYZ019 _-.é", min_size=1, max_size=8), min_size=2, max_size=6))
def test_any_class_names(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    kept = {name for name in names if not name.startswith(".") and name.casefold() not in {"train", "test"}}
    if len(kept) < 2:
        return
    root = tmp_path_factory.mktemp("folder")
    source = open_source(write(root, *(f"{name}/1.png" for name in kept)))
    assert source.classes == tuple(sorted(kept))
    assert source.splits["train"].labels.tolist() == list(range(len(kept)))
