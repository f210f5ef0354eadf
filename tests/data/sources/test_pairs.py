"""Images with masks: folders side by side, suffixes, tables; masks as numbers, palettes, colours, black and white."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convworks.data.column import IGNORED, files_of
from convworks.data.decode.load import load_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.shards.pack import pack
from convworks.data.source import Source, Split
from convworks.data.sources.ignoring import ignoring
from convworks.data.sources.open import open_source
from convworks.data.targets.masks import MASKS, match
from convworks.errors import InputError

NUMBERS = np.array([[0, 1, 2, 2], [0, 0, 1, 2], [2, 1, 1, 0]], np.uint8)
COLOURS = np.array([[0, 0, 0], [128, 0, 0], [64, 128, 0]], np.uint8)
ALONE = Preprocessing(size=(3, 4), channels=1, fit="crop", mean=(0.0,), std=(1.0,))


def write(root: Path, *names: str, mask: np.ndarray | Image.Image = NUMBERS) -> Path:
    """Write a mask for each name that speaks of masks, and an image for each other."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if "mask" in name.lower() or "label" in name.lower():
            (mask if isinstance(mask, Image.Image) else Image.fromarray(mask)).save(path, "PNG")
        else:
            Image.new("RGB", (4, 3)).save(path)
    return root


def masks(split: Split) -> np.ndarray:
    return load_images(split.targets_as_inputs(), ALONE)[:, 0].numpy()


def shown(source: Source) -> dict[str, list[tuple[str, str]]]:
    """Give the names of samples and of their masks, by split."""
    return {
        name: [(image, Path(str(mask)).name) for image, mask in zip(split.names, files_of(split.targets), strict=True)]
        for name, split in source.splits.items()
    }


LAYOUTS = {
    "side by side": (
        ["images/a.jpg", "images/b.jpg", "masks/a.png", "masks/b.png"],
        {"all": [("images/a.jpg", "a.png"), ("images/b.jpg", "b.png")]},
    ),
    "other names": (["Image/a.jpg", "Label/a.png"], {"all": [("Image/a.jpg", "a.png")]}),
    "below splits": (
        ["train/images/a.jpg", "train/masks/a.png", "val/images/b.jpg", "val/masks/b.png"],
        {"train": [("train/images/a.jpg", "a.png")], "validation": [("val/images/b.jpg", "b.png")]},
    ),
    "above splits": (
        ["images/train/a.jpg", "images/test/b.jpg", "masks/train/a.png", "masks/test/b.png"],
        {"train": [("images/train/a.jpg", "a.png")], "test": [("images/test/b.jpg", "b.png")]},
    ),
    "accents spelt in two ways": (
        ["images/\u00e9.jpg", "masks/e\u0301.png"],
        {"all": [("images/\u00e9.jpg", "e\u0301.png")]},
    ),
    "folders below": (["images/x/a.jpg", "masks/x/a.png"], {"all": [("images/x/a.jpg", "a.png")]}),
    "a suffix": (
        ["a.jpg", "a_mask.png", "b.jpg", "b_mask.png"],
        {"all": [("a.jpg", "a_mask.png"), ("b.jpg", "b_mask.png")]},
    ),
    "a suffix below splits": (
        ["train/a.jpg", "train/a_mask.png", "test/b.jpg", "test/b_mask.png"],
        {"train": [("train/a.jpg", "a_mask.png")], "test": [("test/b.jpg", "b_mask.png")]},
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name: str, tmp_path: Path) -> None:
    files, expected = LAYOUTS[name]
    source = open_source(write(tmp_path, *files))
    assert (source.kind, source.classes, shown(source)) == ("pairs", ("0", "1", "2"), expected)
    np.testing.assert_array_equal(masks(next(iter(source.splits.values())))[0], NUMBERS)


def test_a_table(tmp_path: Path) -> None:
    write(tmp_path, "x/a.jpg", "y/a-mask.png", "x/b.jpg", "y/b-mask.png")
    rows = "Image,mask,split,note\nx/b.jpg,y/b-mask.png,test,\nx/a.jpg,y/a-mask.png,train,old\n"
    (tmp_path / "set.csv").write_text(rows)
    source = open_source(tmp_path / "set.csv")
    assert shown(source) == {"train": [("x/a.jpg", "a-mask.png")], "test": [("x/b.jpg", "b-mask.png")]}
    assert (source.split_columns, source.unused_columns) == (("split",), ("note",))


def test_paths_of_a_table_may_have_backslashes_and_spaces(tmp_path: Path) -> None:
    write(tmp_path, "x/a.jpg", "y/a-mask.png", "x/ b.jpg", "y/b-mask.png ", "x/c\\d.jpg", "y/c\\d-mask.png")
    rows = "image,mask\nx\\a.jpg,y\\a-mask.png\nx/ b.jpg,y/b-mask.png \nx/c\\d.jpg,y/c\\d-mask.png\n"
    (tmp_path / "set.csv").write_text(rows)
    pairs = shown(open_source(tmp_path / "set.csv"))["all"]
    assert pairs == [("x/ b.jpg", "b-mask.png "), ("x/a.jpg", "a-mask.png"), ("x/c\\d.jpg", "c\\d-mask.png")]


def palette() -> Image.Image:
    image = Image.fromarray(NUMBERS).convert("P")
    image.putdata(NUMBERS.flatten().tolist())
    image.putpalette(COLOURS.flatten().tolist())
    return image


BY_COLOUR = "name,r,g,b\nsky,0,0,0\nroad,128,0,0\ntree,64,128,0\n"
MASKS_OF = {
    "numbers": (Image.fromarray(NUMBERS), "", ("0", "1", "2")),
    "a palette": (palette(), "", ("0", "1", "2")),
    "a palette by its colours": (palette(), BY_COLOUR, ("sky", "road", "tree")),
    "colours": (Image.fromarray(COLOURS[NUMBERS]), BY_COLOUR, ("sky", "road", "tree")),
    "numbers with names": (Image.fromarray(NUMBERS * 7), "name,value\na,0\nb,7\nc,14\n", ("a", "b", "c")),
    "numbers far apart": (Image.fromarray(NUMBERS * 100), "", ("0", "100", "200")),
    "grey saved as colours": (Image.fromarray(NUMBERS).convert("RGB"), "", ("0", "1", "2")),
}


@pytest.mark.parametrize("name", MASKS_OF)
def test_masks_become_numbers_of_classes(name: str, tmp_path: Path) -> None:
    mask, table, classes = MASKS_OF[name]
    write(tmp_path / "set", "images/a.png", "masks/a.png", mask=mask)
    if table:
        (tmp_path / "set" / "classes.csv").write_text(table)
    source = open_source(tmp_path / "set")
    assert source.classes == classes
    np.testing.assert_array_equal(masks(source.splits["all"])[0], NUMBERS)
    pack(source, tmp_path / "packed")
    packed = open_source(tmp_path / "packed")
    assert packed.classes == classes
    np.testing.assert_array_equal(masks(packed.splits["all"])[0], NUMBERS)


def test_black_and_white_is_two_classes_and_255_beside_others_is_ignored(tmp_path: Path) -> None:
    binary = open_source(write(tmp_path / "a", "images/1.png", "masks/1.png", mask=np.minimum(NUMBERS, 1) * 255))
    assert binary.classes == ("0", "255")
    np.testing.assert_array_equal(masks(binary.splits["all"])[0], np.minimum(NUMBERS, 1))
    holes = np.where(NUMBERS == 2, 255, NUMBERS).astype(np.uint8)
    other = open_source(
        write(tmp_path / "b", "images/1.png", "masks/1.png", mask=np.where(holes == 255, 255, holes + 1))
    )
    assert other.classes == ("1", "2")
    np.testing.assert_array_equal(masks(other.splits["all"])[0], holes)


def test_a_class_is_ignored_by_name_or_by_number(tmp_path: Path) -> None:
    write(tmp_path, "images/1.png", "masks/1.png", mask=palette())
    expected = np.where(NUMBERS == 1, IGNORED, np.minimum(NUMBERS, 1))
    for table, ignore in (("", 1), (BY_COLOUR, "road")):
        if table:
            (tmp_path / "classes.csv").write_text(table)
        source = ignoring(open_source(tmp_path), ignore, "data.ignore")
        np.testing.assert_array_equal(masks(source.splits["all"])[0], expected)
        assert MASKS.counts(source).tolist() == np.bincount(NUMBERS.ravel())[[0, 2]].tolist()
    with pytest.raises(InputError, match="sky, road, tree"):
        ignoring(open_source(tmp_path), "raod", "data.ignore")


def test_masks_are_matched_to_a_network_by_the_names_of_classes(tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text("name,value\nroad,1\nsky,0\n")
    source = open_source(write(tmp_path, "images/1.png", "masks/1.png", mask=np.minimum(NUMBERS, 1)))
    matched = match(source, source.splits["all"], ("tree", "sky", "road"))
    np.testing.assert_array_equal(masks(matched)[0], np.minimum(NUMBERS, 1) + 1)
    with pytest.raises(InputError, match="unknown to the bundle: sky"):
        match(source, source.splits["all"], ("tree", "road"))


def test_the_classes_are_those_of_train(tmp_path: Path) -> None:
    write(tmp_path, "train/images/1.png", "train/masks/1.png")
    stray = NUMBERS.copy()
    stray[1, 2] = 7
    write(tmp_path, "val/images/2.png", "val/masks/2.png", mask=stray)
    source = open_source(tmp_path)
    assert source.classes == ("0", "1", "2")
    with pytest.raises(InputError, match=r"value 7 at x=2, y=1, which stands for no class \(known: 0, 1, 2\)"):
        masks(source.splits["validation"])


def test_counts_follow_files_that_change(tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text("name,value\na,0\nb,1\nc,2\n")
    write(tmp_path, "images/1.png", "masks/1.png")
    assert MASKS.counts(open_source(tmp_path)).tolist() == np.bincount(NUMBERS.ravel()).tolist()
    write(tmp_path, "masks/1.png", mask=np.zeros((3, 5), np.uint8))
    assert MASKS.counts(open_source(tmp_path)).tolist() == [15, 0, 0]


def test_masks_without_images_are_left_out(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "images/1.png", "masks/1.png", "masks/2.png"))
    assert source.left_out == {"masks/2.png": "masks without an image"}
    write(tmp_path, "img/1.png")
    assert open_source(tmp_path).left_out["img/1.png"] == "beside the images and masks"
    assert replace(source, left_out={}).splits["all"].names == ("images/1.png",)
