from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from convworks.data.column import Files
from convworks.data.source import Source
from convworks.data.sources.ilsvrc import recognise
from convworks.data.sources.open import open_source
from convworks.errors import InputError

TENCH, CRANE, MAILLOT, SUIT = "n01440764", "n02012849", "n03710637", "n03710721"
WORDS = {
    TENCH: "tench, Tinca tinca",
    CRANE: "crane",
    "n03126707": "crane",
    MAILLOT: "maillot",
    SUIT: "maillot, tank suit",
}
# The devkit counts in an order of its own, and counts what is above the classes too.
IDS = {SUIT: 1, TENCH: 2, MAILLOT: 3, CRANE: 4, "n03126707": 5}
VALIDATION = (CRANE, TENCH, SUIT, TENCH)  # images 1 to 4
TRUTH, KAGGLE, WNIDS = "ILSVRC2012_validation_ground_truth.txt", "LOC_val_solution.csv", "LOC_synset_mapping.txt"


def images(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(root / name, "JPEG")
    return root


def train(root: Path) -> Path:
    names = (f"train/{synset}/{synset}_{number}.JPEG" for synset in (TENCH, CRANE, SUIT) for number in (7, 10))
    return images(root, *names)


def flat(root: Path) -> Path:
    return images(root, *(f"val/ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 5)))


def sorted_validation(root: Path) -> Path:
    names = (f"val/{synset}/ILSVRC2012_val_{number:08d}.JPEG" for number, synset in enumerate(VALIDATION, start=1))
    return images(root, *names)


def meta(path: Path, ids: dict[str, int] = IDS) -> None:
    """Write meta.mat with the fields of the devkit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [*((number, synset, WORDS[synset], 0) for synset, number in ids.items()), (1001, "n00000001", "crane", 3)]
    kinds = [(name, object) for name in ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")]
    table = np.array([(float(n), synset, words, "a gloss", float(below)) for n, synset, words, below in rows], kinds)
    savemat(path, {"synsets": table[:, None]})


def truth(path: Path, ids: dict[str, int] = IDS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{ids[synset]}\n" for synset in VALIDATION))


def solution(path: Path, synsets: tuple[str, ...] = VALIDATION) -> None:
    rows = [
        f"ILSVRC2012_val_{number:08d},{synset} 1 2 3 4 {synset} 5 6 7 8 " for number, synset in enumerate(synsets, 1)
    ]
    path.write_text("\n".join(["ImageId,PredictionString", *reversed(rows)]) + "\n")


def words(path: Path, synset_words: dict[str, str] = WORDS) -> None:
    path.write_text("".join(f"{synset} {text}\n" for synset, text in synset_words.items()))


def official(root: Path) -> Path:
    devkit = root / "ILSVRC2012_devkit_t12" / "data"
    meta(devkit / "meta.mat")
    truth(devkit / TRUTH)
    return train(flat(root))


def archive(root: Path) -> Path:
    """Make the folders of the unpacked archive of the Kaggle competition."""
    train(flat(root / "ILSVRC" / "Data" / "CLS-LOC"))
    images(root / "ILSVRC" / "Data" / "CLS-LOC", "test/ILSVRC2012_test_00000001.JPEG")
    solution(root / KAGGLE)
    words(root / WNIDS)
    return root


def folders(root: Path) -> Path:
    words(train(sorted_validation(root)) / "synset_words.txt")
    return root


def flat_solution(root: Path) -> Path:
    solution(train(flat(root)) / KAGGLE)
    words(root / WNIDS)
    return root


@pytest.mark.parametrize("make", [official, archive, folders, flat_solution])
def test_every_layout_is_the_same_set(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    before = sorted(make(tmp_path / "set").rglob("*"))
    source = open_source(tmp_path / "set")
    assert (source.name, source.kind, source.path) == ("set", "ilsvrc", tmp_path / "set")
    assert source.classes == ("tench", "crane (n02012849)", "maillot (n03710721)")
    assert list(source.splits) == ["train", "validation"]
    assert source.splits["train"].labels.tolist() == [0, 0, 1, 1, 2, 2]
    validation = source.splits["validation"]
    assert {name[-9:]: label for name, label in zip(validation.names, validation.labels.tolist(), strict=True)} == {
        "0001.JPEG": 1, "0002.JPEG": 0, "0003.JPEG": 2, "0004.JPEG": 0,
    }  # fmt: skip
    for split in source.splits.values():
        assert isinstance(split.inputs, Files)
        assert all(isinstance(file, Path) and file.is_file() for file in split.inputs.files)
    assert sorted((tmp_path / "set").rglob("*")) == before


@pytest.mark.parametrize("part", [".", "ILSVRC", "ILSVRC/Data/CLS-LOC"])
def test_the_archive_is_found_from_each_of_its_folders(
    tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(archive(tmp_path) / part)
    for text in (".", str(tmp_path / part)):
        source = open_source(text)
        assert source.classes[0] == "tench"
        assert source.splits["validation"].labels.tolist() == [1, 0, 2, 0]


def test_without_a_list_classes_are_synsets(tmp_path: Path) -> None:
    assert open_source(train(sorted_validation(tmp_path))).classes == (TENCH, CRANE, SUIT)


def test_a_name_does_not_depend_on_which_classes_are_there(tmp_path: Path) -> None:
    words(train(tmp_path) / WNIDS)
    whole = open_source(tmp_path).classes
    shutil.rmtree(tmp_path / "train" / TENCH)
    assert open_source(tmp_path).classes == whole[1:]


def test_validation_alone_is_enough_to_evaluate(tmp_path: Path) -> None:
    solution(flat(tmp_path) / KAGGLE)
    source = open_source(tmp_path)
    assert list(source.splits) == ["validation"]
    assert source.classes == (TENCH, CRANE, SUIT)


def test_sorted_test_images_are_a_split_and_loose_ones_are_not(tmp_path: Path) -> None:
    images(train(tmp_path), f"test/{TENCH}/1.JPEG")
    assert len(open_source(tmp_path).splits["test"]) == 1
    shutil.rmtree(tmp_path / "test")
    images(tmp_path, "test/ILSVRC2012_test_00000001.JPEG")
    assert list(open_source(tmp_path).splits) == ["train"]


def test_what_is_left_out_is_told_with_the_reason(tmp_path: Path) -> None:
    images(train(tmp_path), "test/ILSVRC2012_test_00000001.JPEG", f"train/@eaDir/{TENCH}/1.JPEG")
    (tmp_path / "train" / TENCH / "notes.txt").touch()
    (tmp_path / "train" / ".DS_Store").touch()
    assert open_source(tmp_path).left_out == {
        f"train/{TENCH}/notes.txt": "not images",
        "test/ILSVRC2012_test_00000001.JPEG": "without a label",
    }


def test_splits_by_other_names(tmp_path: Path) -> None:
    sorted_validation(train(tmp_path))
    (tmp_path / "train").rename(tmp_path / "Training")
    (tmp_path / "val").rename(tmp_path / "Validation")
    source = open_source(tmp_path)
    assert (source.kind, {name: len(split) for name, split in source.splits.items()}) == (
        "ilsvrc",
        {"train": 6, "validation": 4},
    )
    images(tmp_path, f"more/{TENCH}/1.JPEG")
    with pytest.raises(InputError, match="has images in more/ beside the splits Training/, Validation/"):
        open_source(tmp_path)


def test_a_class_folder_without_images_is_refused_in_train_alone(tmp_path: Path) -> None:
    (sorted_validation(train(tmp_path)) / "val" / MAILLOT).mkdir()
    assert len(open_source(tmp_path).splits["validation"]) == 4


def test_images_below_a_class_folder_count(tmp_path: Path) -> None:
    images(train(tmp_path / "set"), f"train/{TENCH}/images/deep.JPEG")
    (tmp_path / "set" / "train" / TENCH / "more").symlink_to(images(tmp_path / "elsewhere", "linked.JPEG"))
    names = open_source(tmp_path / "set").splits["train"].names
    assert {f"train/{TENCH}/images/deep.JPEG", f"train/{TENCH}/more/linked.JPEG"} <= set(names)


def test_class_folders_are_no_ilsvrc(tmp_path: Path) -> None:
    images(tmp_path, "train/ant/1.JPEG", "train/bee/1.JPEG", "val/ant/1.JPEG", "val/bee/1.JPEG")
    assert not recognise(tmp_path)
    assert open_source(tmp_path).kind == "folder"
    assert not recognise(tmp_path / "nowhere")


def test_imagenet_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVWORKS_DATA", str(tmp_path))
    with pytest.raises(InputError) as caught:
        open_source("imagenet")
    assert "account of image-net.org" in str(caught.value)
    (tmp_path / "imagenet").mkdir()
    with pytest.raises(InputError) as caught:
        open_source("imagenet")
    assert str(caught.value).startswith(f"{tmp_path / 'imagenet'}: holds neither train/nNNNNNNNN/")
    official(tmp_path / "imagenet")
    source: Source = open_source("imagenet")
    assert (source.name, source.kind, source.path) == ("imagenet", "ilsvrc", tmp_path / "imagenet")


def remove(name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).unlink()


def write(name: str, text: str | bytes) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes(text.encode() if isinstance(text, str) else text)


def pack(root: Path) -> None:
    shutil.rmtree(root / "train")
    (root / "train").mkdir()
    (root / "train" / f"{TENCH}.tar").touch()


DEVKIT = "ILSVRC2012_devkit_t12/data/"
FLAT_7 = "val/ILSVRC2012_val_00000007.JPEG"
BAD: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Any], str]] = {
    "ground truth without meta.mat": (official, remove(DEVKIT + "meta.mat"), f"{TRUTH} | meta.mat | not there | put"),
    "no labels": (flat_solution, remove(KAGGLE), f"val | without labels | put {KAGGLE}"),
    "damaged meta.mat": (
        official,
        write(DEVKIT + "meta.mat", b"MATLAB 5.0 MAT-file" * 20),
        "is not a meta.mat | again",
    ),
    "meta.mat of something else": (
        official,
        lambda root: savemat(root / DEVKIT / "meta.mat", {"x": 1}),
        "is not a meta.mat | synsets | again",
    ),
    "two classes of one number": (
        official,
        lambda root: meta(root / DEVKIT / "meta.mat", IDS | {TENCH: 1}),
        "meta.mat | 5 classes | one to one | again",
    ),
    "ground truth with an unknown number": (official, write(DEVKIT + TRUTH, "4\n2\n9\n2\n"), "line 3 | '9' | no class"),
    "ground truth with a word": (official, write(DEVKIT + TRUTH, "4\n2\ntench\n2\n"), "line 3 | 'tench' | no class"),
    "empty ground truth": (official, write(DEVKIT + TRUTH, ""), f"{TRUTH} | empty | fetch it again"),
    "ground truth cut short": (official, write(DEVKIT + TRUTH, "4\n2\n"), f"{TRUTH} | does not list val/"),
    "a missing image": (
        official,
        remove("val/ILSVRC2012_val_00000003.JPEG"),
        f"val | 3 of the 4 images in {TRUTH} | ILSVRC2012_val_00000003 not | fetch",
    ),
    "an image too many": (official, lambda root: images(root, FLAT_7), f"{TRUTH} | does not list {FLAT_7} | belongs"),
    "a strange image": (official, lambda root: images(root, "val/me.JPEG"), "val/me.JPEG | not named like | move"),
    "an image twice": (
        official,
        lambda root: images(root, "val/ILSVRC2012_val_00000001.jpg"),
        "val/ILSVRC2012_val_00000001.jpg | has the number of ILSVRC2012_val_00000001.JPEG | keep one",
    ),
    "sorted and flat": (folders, lambda root: images(root, FLAT_7), f"{FLAT_7} | beside nNNNNNNNN/ folders | move"),
    "a folder of another name": (
        folders,
        lambda root: images(root, "train/tench/1.JPEG"),
        "train/tench | not a synset folder | move",
    ),
    "an empty class": (folders, lambda root: (root / "train" / MAILLOT).mkdir(), f"train/{MAILLOT} | without images"),
    "packed classes": (flat_solution, pack, "train | holds no nNNNNNNNN/ folders | unpack each archive"),
    "a list that lacks a class": (
        folders,
        lambda root: words(root / "synset_words.txt", {TENCH: "tench"}),
        f"synset_words.txt | does not name {CRANE} and 1 more | 3 classes | remove it",
    ),
    "a list of another form": (folders, write("synset_words.txt", "tench\n"), "line 1 | n01440764 tench, Tinca tinca"),
    "a list with a class twice": (
        folders,
        write("synset_words.txt", f"{TENCH} a\n{TENCH} b\n"),
        f"line 2 | {TENCH} a second time | keep one",
    ),
    "a list that is no text": (folders, write("synset_words.txt", b"\xff\xfe"), "synset_words.txt | UTF-8 | save it"),
    "a solution without its columns": (flat_solution, write(KAGGLE, "id,label\n1,2\n"), "line 2 | of the form"),
    "a solution with an image twice": (
        flat_solution,
        lambda root: (root / KAGGLE).write_text((root / KAGGLE).read_text() + f"ILSVRC2012_val_00000001,{TENCH} 1\n"),
        f"{KAGGLE} line 6 | a second time | keep one",
    ),
    "lists that contradict each other": (
        official,
        lambda root: solution(root / KAGGLE, (TENCH, TENCH, SUIT, TENCH)),
        f"{KAGGLE} | says {TENCH} of image 1, {TRUTH} says {CRANE} | keep the right one",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_damaged_or_contradictory_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    make, spoil, expected = BAD[name]
    spoil(make(tmp_path))
    with pytest.raises(InputError) as caught:
        open_source(tmp_path)
    line = str(caught.value)
    assert "\n" not in line
    assert [word for word in expected.split(" | ") if word not in line] == [], line


def test_agreeing_lists_are_fine(tmp_path: Path) -> None:
    solution(official(tmp_path) / KAGGLE)
    assert open_source(tmp_path).splits["validation"].labels.tolist() == [1, 0, 2, 0]
