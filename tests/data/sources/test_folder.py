from __future__ import annotations

import os
import random
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convworks.data.column import files_of
from convworks.data.inspect.remarks import remarks
from convworks.data.source import with_validation
from convworks.data.sources import image_names
from convworks.data.sources.image_names import is_heic, is_image, is_system
from convworks.data.sources.open import open_source
from convworks.data.sources.split_names import split_of
from convworks.errors import InputError


def write(root: Path, *names: str) -> Path:
    """Write small images, or text for suffixes that Pillow does not write, in random order."""
    for name in random.sample(names, len(names)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_image(path.name) and not is_heic(path.name):
            Image.new("RGB", (4, 3)).save(path)
        else:
            path.write_text("text")
    return root


def test_classes_without_splits(tmp_path: Path) -> None:
    write(tmp_path, "b/2.png", "b/1.jpg", "a/x.JPEG", "a/deep/er/y.png", "a/notes.txt", "list.csv", "a/.hidden.png")
    source = open_source(tmp_path)
    assert (source.kind, source.classes, list(source.splits)) == ("folder", ("a", "b"), ["all"])
    train = source.splits["all"]
    assert train.names == ("a/deep/er/y.png", "a/x.JPEG", "b/1.jpg", "b/2.png")
    assert train.labels.tolist() == [0, 0, 1, 1]
    assert files_of(train.inputs) == tuple(tmp_path / name for name in train.names)
    assert source.left_out == {"list.csv": "not images", "a/.hidden.png": "hidden", "a/notes.txt": "not images"}


@pytest.mark.parametrize("validation", ["val", "valid", "Validation", "Validate", "DEV", "eval", "val_set"])
def test_splits(tmp_path: Path, validation: str) -> None:
    names = [f"{split}/{label}/1.png" for split in ("train", validation, "test") for label in "ab"]
    write(tmp_path, *names, "docs/readme.md", "labels.txt")
    source = open_source(tmp_path)
    assert list(source.splits) == ["train", "validation", "test"]
    assert source.splits["validation"].names == (f"{validation}/a/1.png", f"{validation}/b/1.png")
    assert list(source.left_out) == ["labels.txt", "docs/readme.md"]


def test_test_alone_may_have_one_class(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "test/a/1.png"))
    assert (source.classes, list(source.splits)) == (("a",), ["test"])


def test_classes_named_like_splits_beside_others_are_classes(tmp_path: Path) -> None:
    assert open_source(write(tmp_path, "test/1.png", "control/1.png")).classes == ("control", "test")


def test_images_without_classes(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "2.png", "1.png", "x.txt"))
    assert (source.classes, list(source.splits)) == ((), ["all"])
    assert source.splits["all"].labels.tolist() == [-1, -1]
    assert source.splits["all"].names == ("1.png", "2.png")


def test_name_is_the_folder_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path / "pets", "a/1.png", "b/1.png"))
    assert open_source(".").name == "pets"


def test_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "1.png", "2.png")
    write(tmp_path / "set", "b/1.png")
    (tmp_path / "set" / "a").symlink_to(tmp_path / "elsewhere")
    assert open_source(tmp_path / "set").splits["all"].names == ("a/1.png", "a/2.png", "b/1.png")


def test_dangling_link_to_an_image_stays_to_be_reported(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "b" / "2.png").symlink_to(tmp_path / "nowhere.png")
    assert "b/2.png" in open_source(tmp_path).splits["all"].names


BAD = {
    "one class": (["a/1.png"], "has 1 class in train ('a')"),
    "one class in train": (["train/a/1.png", "test/a/1.png"], "has 1 class in train ('a')"),
    "no images": (["a/1.txt", "b/x.doc"], "contains no images (2 other files)"),
    "nothing": ([], "contains no images (0 other files)"),
    "empty class": (["a/1.png", "b/1.txt"], "is a class folder without images"),
    "empty class in train": (["train/a/1.png", "train/b/x", "test/a/1.png", "test/b/1.png"], "without images (1 other"),
    "empty split": (["train/a/1.png", "train/b/1.png", "test/a/1.txt"], "test: contains no images (1 other file)"),
    "flat split": (["train/a/1.png", "train/b/1.png", "test/1.png"], "test: contains no class folders"),
    "flat splits": (["train/1.png", "test/1.png"], "train hold no class folders"),
    "two validations": (["train/a/1.png", "val/a/1.png", "valid/a/1.png"], "has both val/ and valid/"),
    "unknown class": (
        ["train/cat/1.png", "train/dog/1.png", "val/cat/1.png", "val/dgo/1.png"],
        "validation has class 'dgo', which is not in train (did you mean 'dog'?)",
    ),
    "two of one split": (
        ["train/a/1.png", "dev/a/1.png", "Eval/a/1.png"],
        "has both Eval/ and dev/, which are validation",
    ),
    "beside splits": (
        ["Training/a/1.png", "Testing/a/1.png", "more/a/1.png", "old/1.heic", "docs/x.md"],
        "has images in more/, old/ beside the splits Testing/, Training/; name them train, val or test, or move",
    ),
    "nothing in splits": (["test/a/.DS_Store"], "contains no files in test/; sort images into train/CLASS/"),
    "flat splits beside others": (["train/1.png", "test/1.png", "c/1.png"], "test, train hold no class folders"),
    "named like splits": (
        ["seg_train/seg_train/a/1.png", "seg_test/seg_test/a/1.png", "seg_pred/1.png"],
        "seg_test, seg_train would be classes, but are named like splits",
    ),
    "splits of a year": (["train2017/1.png", "val2017/1.png"], "train2017, val2017 would be classes, but are named"),
    "splits below": (
        ["a/train/1.png", "a/test/1.png", "b/train/1.png", "b/test/1.png"],
        "a: would be a class, but holds the splits test, train; put the splits above the classes: train/a/, test/a/",
    ),
    "one split below": (["a/Training/1.png", "b/Training/1.png"], "would be a class, but holds the splits Training;"),
    "a folder too high": (["set/train/a/1.png", "set/test/a/1.png", "__MACOSX/set/x/1.png"], "holds the splits"),
    "far too high": (["set/a/1.png", "set/b/1.png"], "set would be the only class, but holds the folders a, b; give"),
    "unknown splits": (
        ["left/a/1.png", "left/b/1.png", "right/a/1.png", "right/b/1.png", "right/c/1.png"],
        "left, right would be classes, but all hold the folders a, b; give",
    ),
    "boxes": (
        ["images/train/1.jpg", "labels/train/1.txt"],
        "holds images/ and labels/: images with annotations that are no images of masks, not classes; to classify",
    ),
    "masks": (
        ["a/images/1.png", "a/masks/1.png", "b/images/1.png", "b/masks/1.png"],
        "all hold the folders images, masks",
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


#: Folders below classes that are no reason for doubt.
CLASSES = {
    "days": ["a/2021/1.png", "a/2022/1.png", "b/2021/1.png", "b/2022/1.png"],
    "months": ["a/2021-05/1.png", "a/2021-06/1.png", "b/2021-05/1.png", "b/2021-06/1.png"],
    "one folder": ["a/camera/1.png", "b/camera/1.png"],
    "images beside": ["a/x/1.png", "a/y/1.png", "b/x/1.png", "b/y/1.png", "b/1.png"],
    "little in common": ["a/x/1.png", "a/y/1.png", "b/x/1.png", "b/z/1.png"],
    "a class called images": ["images/1.png", "drawings/1.png"],
    "annotations": ["a/images/1.png", "a/labels/1.xml", "b/images/1.png", "b/labels/1.xml"],
    "a class called test": ["test/1.png", "control/1.png"],
    "a class called train": ["train/1.png", "bus/1.png", "car/1.png"],
    "crash tests": ["crash-test/1.png", "road/1.png"],
    "in splits": [f"{split}/{label}/{day}/1.png" for split in ("train", "val") for label in "ab" for day in "xy"],
}


@pytest.mark.parametrize("name", CLASSES)
def test_folders_that_are_classes(tmp_path: Path, name: str) -> None:
    files = CLASSES[name]
    parts = {file.split("/")[1 if name == "in splits" else 0] for file in files}
    source = open_source(write(tmp_path, *files))
    assert source.classes == tuple(sorted(parts))
    assert sum(map(len, source.splits.values())) == sum(map(is_image, files))


def test_what_systems_leave_behind_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.png")
    clutter = ["._1.png", ".DS_Store", "Thumbs.db", "@eaDir/1.png", "__MACOSX/1.png", ".ipynb_checkpoints/1.png"]
    clutter += ["#recycle/1.png", "desktop.ini", "$RECYCLE.BIN/x/1.png"]
    plain = open_source(tmp_path)
    for prefix in ("", "train/", "train/a/", "val/b/"):
        for name in clutter:
            assert is_system(name.split("/")[0])
            (tmp_path / prefix / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 3)).save(tmp_path / prefix / name, "PNG")
    source = open_source(tmp_path)
    assert [split.names for split in source.splits.values()] == [split.names for split in plain.splits.values()]
    assert (source.classes, source.left_out) == (("a", "b"), {})


def test_reasons_for_leaving_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_names, "heic_available", lambda: False)
    write(tmp_path, "a/1.png", "a/2.heic", "a/.old/1.png", "b/1.png", "b/.2.png", "b/list.csv", "loose.png")
    assert open_source(tmp_path).left_out == {
        "loose.png": "beside the class folders",
        "a/.old/": "hidden",
        "a/2.heic": "HEIC, for which pillow-heif is not installed: pip install 'convworks[heic]'",
        "b/.2.png": "hidden",
        "b/list.csv": "not images",
    }


@pytest.mark.parametrize("below", ["", "a", "a/deep"])
def test_an_empty_split_is_none(tmp_path: Path, below: str) -> None:
    write(tmp_path, "train/a/1.png", "train/b/1.png")
    (tmp_path / "Testing" / below).mkdir(parents=True)
    (tmp_path / "Testing" / below / ".DS_Store").touch()
    source = open_source(tmp_path)
    assert (list(source.splits), source.left_out) == (["train"], {"Testing/": "empty"})


def test_a_class_may_lack_in_validation_and_test(tmp_path: Path) -> None:
    write(tmp_path, *(f"train/{label}/{number}.png" for label in "abc" for number in range(3)))
    write(tmp_path, "val/a/1.png", "val/c/1.png", "test/a/1.png", "test/b/x.txt", "test/c/1.png")
    (tmp_path / "test" / "d").mkdir()
    source = with_validation(open_source(tmp_path), fraction=0.5, seed=0, limit=None)
    assert source.classes == ("a", "b", "c")
    assert {name: split.labels.tolist() for name, split in source.splits.items() if name != "train"} == {
        "validation": [0, 2],
        "test": [0, 2],
    }
    assert remarks(source) == [
        f"left out of {tmp_path}: 1 .txt in test/b/ (not images)",
        "warning: validation has no image of class 'b', which train has",
        "warning: test has no image of class 'b', which train has",
    ]


@pytest.mark.parametrize("composed_first", [True, False])
def test_names_are_compared_by_their_letters(tmp_path: Path, composed_first: bool) -> None:
    forms = (normalize("NFC", "büs"), normalize("NFD", "büs"))
    first, second = forms if composed_first else forms[::-1]
    write(tmp_path, f"train/{first}/1.png", "train/ants/1.png", f"val/{second}/1.png", "val/ants/1.png")
    write(tmp_path, f"train/{second}/2.png")
    source = open_source(tmp_path)
    assert source.classes == ("ants", normalize("NFC", "büs"))
    assert sorted(source.splits["train"].labels.tolist()) == [0, 1, 1]
    assert source.splits["validation"].labels.tolist() == [0, 1]


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
    expected_names = {name for name in names if not name.startswith(".") and split_of(name) is None}
    if len(expected_names) < 2:
        return
    root = tmp_path_factory.mktemp("folder")
    source = open_source(write(root, *(f"{name}/1.png" for name in expected_names)))
    assert source.classes == tuple(sorted(expected_names))
    assert source.splits["all"].labels.tolist() == list(range(len(expected_names)))
