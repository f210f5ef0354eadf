"""Folders and tables whose splits and classes are not clear, or whose images cannot be read: one line each."""

from __future__ import annotations

import io
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image
from workplace import Place, Rows, check_row, evaluate, predict, train

from convworks.data.decode import heic
from convworks.data.sources import image_names
from convworks.data.sources.image_names import is_image


def images(p: Place, *names: str) -> str:
    """Write images below data, and text where a name does not end like an image's."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(file, "PNG")
    for name in names:
        p.write(f"data/{name}", file.getvalue() if is_image(name) else "text")
    return "data"


def product(*levels: str) -> list[str]:
    """Return the paths of an image at every combination of names, one level after the other."""
    paths = [""]
    for level in levels:
        paths = [f"{path}{name}/" for path in paths for name in level.split()]
    return [f"{path}1.png" for path in paths]


def table(p: Place, split: str) -> str:
    p.images("x")
    return p.write("set.csv", f"path,label,split\nx/0.png,a,train\nx/1.png,b,Training\nx/2.png,b,{split}\n")


ROWS: Rows = {
    "folder beside splits": (
        lambda p: train(images(p, *product("Training Testing", "a b"), "extra/a/1.png", "docs/x.md")),
        "data | images in extra/ | beside the splits Testing/, Training/ | name them train, val or test | move them",
    ),
    "HEIC beside splits": (
        lambda p: train(images(p, *product("train test", "a b"), "phone/1.heic")),
        "data | images in phone/ beside the splits | move",
    ),
    "data of a folder beside splits": (
        lambda p: ["data", images(p, *product("train", "a b"), "val_old/a/1.png")],
        "data | images in val_old/ | train/ | move",
    ),
    "class called like a split": (
        lambda p: train(images(p, *product("bus car train", "one two"))),
        "data | images in bus/, car/ | beside the splits train/ | a class needs another name",
    ),
    "two folders of one split": (
        lambda p: train(images(p, *product("train Dev eval", "a b"))),
        "data | both Dev/ and eval/ | validation both | keep one | train, val, test",
    ),
    "test twice": (
        lambda p: train(images(p, *product("train test Testing", "a b"))),
        "data | both Testing/ and test/ | test both | keep one",
    ),
    "splits without classes": (
        lambda p: train(images(p, *product("Training Testing"))),
        "data | Testing, Training hold no class folders | sort the images into Testing/CLASS/",
    ),
    "splits without classes, and a class": (
        lambda p: train(images(p, *product("train test other"))),
        "data | test, train hold no class folders | sort",
    ),
    "names that speak of splits": (
        lambda p: train(images(p, *product("seg_train seg_test", "a b"))),
        "data | seg_test, seg_train would be classes | named like splits | train, val or test",
    ),
    "splits below the classes": (
        lambda p: train(images(p, *product("cats dogs", "train Validate"))),
        "data/cats | would be a class | splits Validate, train | train/cats/, test/cats/",
    ),
    "a level too high": (
        lambda p: train(images(p, *product("pets", "Training Testing", "a b"))),
        "data/pets | holds the splits Testing, Training | give data/pets",
    ),
    "classes a level too high": (
        lambda p: train(images(p, *product("pets", "a b"))),
        "data | pets would be the only class | folders a, b | give data/pets",
    ),
    "splits of unknown names": (
        lambda p: train(images(p, *product("mine yours", "a b c"))),
        "data | mine, yours would be classes | all hold the folders a, b, c | give data/mine | .csv",
    ),
    "masks among images": (
        lambda p: evaluate(p.bundle(), images(p, *product("a b", "images masks"))),
        "data | a, b would be classes | folders images, masks | .csv that names paths and labels",
    ),
    "patients of two classes": (
        lambda p: ["data", images(p, *product("p1 p2 p3 p4 p5 p6 p7", "0 1"))],
        "data | p1, p2, p3, p4, p5 and 2 more would be classes | 0, 1",
    ),
    "a class of HEIC alone": (
        lambda p: train(images(p, *product("a b"), "c/1.heic", "c/2.HEIC", "c/x.txt")),
        "data/c | class folder without images (3 other files, 2 of them HEIC) | pip install 'convworks[heic]'",
    ),
    "HEIC alone": (
        lambda p: train(images(p, "a/1.heic", "b/1.heif", "b/2.hif")),
        "data | contains no images (3 other files, 3 of them HEIC) | pip install 'convworks[heic]'",
    ),
    "a split of HEIC": (
        lambda p: train(images(p, *product("train", "a b"), "test/a/1.heic")),
        "data/test | no images (1 other file, 1 of them HEIC) | convworks[heic]",
    ),
    "predict HEIC": (
        lambda p: predict(p.bundle(), images(p, "1.heic")),
        "data | contains no images | pip install 'convworks[heic]'",
    ),
    "predict one HEIC image": (
        lambda p: predict(p.bundle(), p.write("x.jpg", b"\0\0\0\x18ftypheic" + bytes(99))),
        "x.jpg | is HEIC, which needs pillow-heif (pip install 'convworks[heic]')",
    ),
    "one HEIC image as data": (lambda p: train(p.write("x.heic", "x")), "x.heic | single image | class folders"),
    "predict what is hidden": (
        lambda p: predict(p.bundle(), images(p, ".old/1.png", "@eaDir/1.png", "._1.png", "x.txt")),
        "data | contains no images | image files end in .jpg",
    ),
    "filter what is hidden": (
        lambda p: ["filter", images(p, ".old/1.png", "__MACOSX/1.png"), "--kernel", "sharpen", "--out", "out"],
        "data | contains no images",
    ),
    "a pattern of what is hidden": (
        lambda p: [images(p, ".old/1.png", "#recycle/1.png"), *predict(p.bundle(), "data/**/*.png")][1:],
        "data/**/*.png | matching pattern",
    ),
    "predict in a circle": (
        lambda p: [images(p, "a/1.png"), p.link("data/a/up", ".."), *predict(p.bundle(), "data")][2:],
        "data/a/up | links back to a folder above it | remove the link",
    ),
    "a split of no known name in a table": (
        lambda p: train(table(p, "holdout")),
        "set.csv line 4 | split 'holdout' | none of train, val and test",
    ),
    "a class that a split of another name adds": (
        lambda p: train(images(p, *product("Training", "a b"), "DEV/c/1.png")),
        "data | validation has class 'c', which is not in train",
    ),
    "a missing path that is no ASCII": (
        lambda p: train(p.write("set.csv", f"path,label\nx/{normalize('NFD', 'é')}.png,a\n")),
        "set.csv | 1 of 1 files that do not exist",
    ),
    "all as a split": (
        lambda p: [*evaluate(p.bundle(), images(p, *product("Training Testing", "a b"))), "--split", "all"],
        "--split | no split 'all' | it has: train, test",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(
    name: str, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_names, "heic_available", lambda: False)
    monkeypatch.setattr(heic, "register_heif", lambda: False)
    check_row(ROWS[name], place, capsys)
