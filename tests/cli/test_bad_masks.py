"""Masks that do not fit their images, their classes or the network: one line each."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

import numpy as np
import pytest
from PIL import Image
from squares import write_squares
from workplace import Place, Rows, check_row

import convworks

SMALL = ["--epochs", "1", "--out", "out", "--device", "cpu", "--set", "model.table={'widths': [4, 8], 'dropout': 0.0}"]


def train(*more: str) -> list[str]:
    return ["train", "--data", "set", *SMALL, *more]


def squares(place: Place, **options: object) -> Place:
    write_squares(place.root / "set", 6, **options)  # type: ignore[arg-type]
    return place


def on_squares(place: Place) -> list[str]:
    squares(place)
    return train()


def spoilt(place: Place, mask: np.ndarray, **options: object) -> list[str]:
    """Write squares, and one mask anew."""
    squares(place, **options)
    Image.fromarray(mask.astype(np.uint8)).save(place.root / "set" / "masks" / "3.png")
    return train()


def table(place: Place, text: str) -> list[str]:
    squares(place).write("set/classes.csv", text)
    return train()


def without(place: Place, *names: str) -> list[str]:
    squares(place)
    for name in names:
        (place.root / "set" / name).unlink()
    return train()


def everywhere(place: Place, value: int) -> list[str]:
    squares(place)
    for path in (place.root / "set" / "masks").iterdir():
        Image.new("L", (16, 16), value).save(path)
    return train()


STRAY = np.zeros((16, 16))
STRAY[5, 2] = 9
COLOUR = np.zeros((16, 16, 3))
COLOUR[1, 4] = (9, 8, 7)

ROWS: Rows = {
    "a mask of another size": (
        lambda p: spoilt(p, np.zeros((16, 15))),
        "set/masks/3.png: is a mask of 15x16 pixels, but its image has 16x16; give both one size",
    ),
    "a mask of another size, to be packed": (
        lambda p: [*(spoilt(p, np.zeros((9, 9))) and []), "data", "set", "--pack", "packed"],
        "set/masks/3.png: is a mask of 9x9 pixels, but its image has 16x16; give both one size",
    ),
    "an image without a mask": (
        lambda p: without(p, "masks/2.png", "masks/4.png"),
        "set/masks: 2 of 6 images have no mask: images/2.png, images/4.png; add them",
    ),
    "an unknown value": (
        lambda p: spoilt_with(p, STRAY, "name,value\nground,0\nsquare,1\n"),
        "set/masks/3.png: has the value 9 at x=2, y=5, which stands for no class (known: 0, 1)",
    ),
    "an unknown colour": (
        lambda p: spoilt_with(p, COLOUR, "name,r,g,b\nground,0,0,0\nsquare,1,1,1\n"),
        "set/masks/3.png: has the colour 9,8,7 at x=4, y=1, which stands for no class (known: 0,0,0, 1,1,1)",
    ),
    "colours without a table": (
        lambda p: spoilt(p, COLOUR),
        "set/masks/3.png: has colours (mode RGB) | classes.csv",
    ),
    "all pixels ignored": (
        lambda p: [*everywhere(p, 255), "--set", "data.ignore=255"],
        "set: all pixels of the masks of train are ignored",
    ),
    "all pixels of validation ignored": (
        lambda p: ignored_in(p, "val"),
        "set: all pixels of the masks of validation are ignored; correct them",
    ),
    "all pixels of test ignored": (
        lambda p: ignored_in(p, "test"),
        "set: all pixels of the masks of test are ignored; correct them, or leave that split out | data.test=false",
    ),
    "one class": (
        lambda p: everywhere(p, 0),
        "set: the masks of train show one class (0), at least 2 classes are needed",
    ),
    "nothing but 255": (lambda p: everywhere(p, 255), "set: the masks of train show 255 alone, at least 2 classes are"),
    "no images": (
        lambda p: without(p, *(f"images/{number}.png" for number in range(6))),
        "set/images: holds no images, but masks/ beside it does; put the images of these masks there",
    ),
    "a mask without a byte": (
        lambda p: [*on_squares(p), *(p.write("set/masks/3.png", b"") and [])],
        "set/masks/3.png: is empty (0 bytes); replace or remove it",
    ),
    "weights of 0": (
        lambda p: [*on_squares(p), "--set", "training.loss={'kind': 'cross_entropy', 'class_weights': [0, 1]}"],
        "training.loss.class_weights | must be greater than 0, not 0",
    ),
    "a table of no classes": (lambda p: table(p, "name,value\n"), "set/classes.csv: names no classes, at least 2 are"),
    "an unknown class to ignore": (
        lambda p: [*on_squares(p), "--set", "data.ignore=7"],
        "data.ignore: is 7, but masks have 0, 1",
    ),
    "a digit that is no number to ignore": (
        lambda p: [*on_squares(p), "--set", "data.ignore=\u00b2"],
        "data.ignore: is \u00b2, but masks have 0, 1",
    ),
    "a very long number to ignore": (
        lambda p: [*on_squares(p), "--set", f"data.ignore={'9' * 5000}"],
        "data.ignore: is 999",
    ),
    "a class to ignore without masks": (
        lambda p: ["train", "--epochs", "1", "--out", "out", "--set", "data.ignore=7"],
        "data.ignore: is for masks, but digits has none | leave it out",
    ),
    "a size that the network cannot take": (
        lambda p: [*on_squares(p), "--model", "unet", "--set", "model.table={}"],
        "16x16 pixels do not fit | the next is 188x188",
    ),
    "a network for masks on labels": (
        lambda p: ["train", "--epochs", "1", "--out", "out", "--model", "unet_padded"],
        "digits: has no masks, the targets of a network that segments; give images with masks",
    ),
    "a network for labels on masks": (
        lambda p: [*on_squares(p), "--set", "model.table={}", "--model", "lenet5"],
        "set: has images as targets, not labels",
    ),
    "objects of a network that names classes": (
        lambda p: ["predict", p.bundle(), p.images("x"), "--objects"],
        "--objects: is for networks that segment, but this one does not; leave it out",
    ),
    "a loss for labels": (
        lambda p: [*on_squares(p), "--set", "training.loss.kind=binary_cross_entropy"],
        "training.loss: binary_cross_entropy is not a loss for a network that names the class of every pixel; choose",
    ),
    "balanced sampling": (
        lambda p: [*on_squares(p), "--set", "training.sampling=balanced"],
        "training.sampling: balanced sampling needs single labels | class_weights=balanced",
    ),
    "two masks of one image": (
        lambda p: [*on_squares(p), *(p.write("set/masks/3.bmp", b"x") and [])],
        "set/masks: has both 3.bmp and 3.png; keep one",
    ),
    "white of 1 bit beside white of 8": (
        lambda p: one_bit(p),
        "set/masks/3.png: is black and white (1 bit), where white is the number 1, but in other masks 255; save all",
    ),
    "white for a bundle whose objects are 1": (
        lambda p: white_for_ones(p),
        "white: has masks of 0 and 255 alone, but the bundle's classes are 0, 1; save the numbers | classes.csv",
    ),
    "white in test, 1 in train, to be compared": (
        lambda p: [*(white_for_ones(p) and []), *(white_in(p, "test") and []), "evaluate", "run", "--data", "set"],
        "set: the masks to compare with show 0 and 255 alone, but those of train have no 255; give both the same",
    ),
    "white in validation, 1 in train": (
        lambda p: white_in(p, "val"),
        "set: the masks of validation show 0 and 255 alone, but those of train have no 255; give both the same numbers",
    ),
    "no columns": (lambda p: table(p, "class,value\na,0\nb,1\n"), "set/classes.csv: has the columns class, value; "),
    "a column twice": (
        lambda p: table(p, "name,value,value\na,0,1\nb,1,0\n"),
        "set/classes.csv: names a column twice in its header (name, value, value); keep one",
    ),
    "a long number": (
        lambda p: table(p, f"name,value\na,0\nb,{'1' * 5000}\n"),
        "set/classes.csv line 3: has the value '111",
    ),
    "a table in a split": (
        lambda p: [*on_squares(p), *(p.write("set/images/x/classes.csv", "name,value\na,0\nb,1\n") and [])],
        "set/images/x/classes.csv: is not where the table of classes is looked for; move it to set",
    ),
    "no number": (
        lambda p: table(p, "name,value\na,0\nb,x\n"),
        "set/classes.csv line 3: has the value 'x'; give whole",
    ),
    "a value twice": (
        lambda p: table(p, "name,value\na,1\nb,1\n"),
        "set/classes.csv line 3: gives 'b' the value 1, which 'a'",
    ),
    "a name twice": (lambda p: table(p, "name,value\na,0\na,1\n"), "set/classes.csv line 3: names the class 'a' again"),
    "one line": (lambda p: table(p, "name,value\na,0\n"), "set/classes.csv: names 1 class, at least 2 are needed"),
    "a table with a missing file": (
        lambda p: listed(p, "set/images/1.png,set/masks/9.png"),
        "set.csv: names 1 of 1 files that do not exist: set/masks/9.png",
    ),
    "a table with a gap": (
        lambda p: listed(p, "set/images/1.png,"),
        "set.csv line 2: has no mask; fill it in",
    ),
    "a table of masks alone": (
        lambda p: listed(p, "set/masks/1.png", header="mask"),
        "set.csv: has no column 'image' in its header (mask); its first line must be image,mask",
    ),
    "a table of paths and masks": (
        lambda p: listed(p, "set/images/1.png,set/masks/1.png", header="path,mask"),
        "set.csv: has no column 'image' in its header (path, mask); its first line must be image,mask",
    ),
    "an empty table": (
        lambda p: [*(p.write("set.csv", "") and []), "train", "--data", "set.csv", *SMALL],
        "image,mask",
    ),
    "one file as image and mask": (
        lambda p: listed(p, "set/images/1.png,set/images/1.png"),
        "set.csv line 2: names one file as image and mask; name the file of the mask",
    ),
}


def ignored_in(place: Place, folder: str) -> list[str]:
    """Write splits, in one of which no pixel counts."""
    for name in ("train", "val", "test"):
        write_squares(place.root / "set" / name, 4)
    for path in (place.root / "set" / folder / "masks").iterdir():
        Image.new("L", (16, 16), 255).save(path)
    return train()


def white_for_ones(place: Place) -> list[str]:
    """Train on squares of 1, and write squares of 255."""
    ones = write_squares(place.root / "ones", 6)
    with redirect_stderr(io.StringIO()):
        convworks.train(data=ones, out="run", epochs=1, device="cpu", overrides=[SMALL[-1]])
    write_squares(place.root / "white", 6, value=255)
    return ["evaluate", "run", "--data", "white"]


def white_in(place: Place, folder: str) -> list[str]:
    """Write splits, in one of which squares are 255, in the others 1."""
    for name in ("train", "val", "test"):
        write_squares(place.root / "set" / name, 4, value=255 if name == folder else 1)
    return train()


def one_bit(place: Place) -> list[str]:
    """Write black and white squares, of which one mask has 1 bit."""
    words = spoilt(place, STRAY, value=255)
    Image.fromarray(STRAY > 0).save(place.root / "set" / "masks" / "3.png")
    return words


def listed(place: Place, row: str, header: str = "image,mask") -> list[str]:
    """Write squares, and a table of one row."""
    squares(place).write("set.csv", f"{header}\n{row}\n")
    return ["train", "--data", "set.csv", *SMALL]


def spoilt_with(place: Place, mask: np.ndarray, text: str) -> list[str]:
    spoilt(place, mask)
    place.write("set/classes.csv", text)
    return train()


@pytest.mark.parametrize("name", ROWS)
def test_one_line(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)
