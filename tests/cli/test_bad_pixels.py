"""Images of too many pixels, or with floating-point ones out of range: one line that says so, and what to do."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from workplace import Place, Rows, check_row, encoded, evaluate, predict, train

LIMIT = ("--max-pixels", "63")
MANY = "has 64 pixels, more than 63 | max_pixels"


def floats(greatest: float) -> bytes:
    return encoded(Image.fromarray(np.linspace(0, greatest, 64, dtype=np.float32).reshape(8, 8)), "TIFF")


ROWS: Rows = {
    "train: too many pixels": (lambda p: train(p.folder(), "--set", "data.max_pixels=63"), f"10 of 10 | .png | {MANY}"),
    "train: no limit at all": (lambda p: train(p.folder(), "--set", "data.max_pixels=0"), "data.max_pixels | not 0"),
    "train: always decoded": (
        lambda p: train(p.folder(), "--set", "data.max_pixels=63", "--set", "data.decode=always"),
        f"12 of 12 | {MANY}",
    ),
    "predict: too many pixels": (lambda p: [*predict(p.bundle(), p.images("x")), *LIMIT], MANY.split(" | ")[0]),
    "predict: no limit at all": (lambda p: [*predict(p.bundle(), p.images("x")), "--max-pixels", "0"], "--max-pixels"),
    "evaluate: too many pixels": (lambda p: [*evaluate(p.bundle(), p.folder()), *LIMIT], f"12 of 12 | {MANY}"),
    "evaluate: by a protocol": (
        lambda p: [*evaluate(p.bundle(), p.folder()), *LIMIT, "--protocol", "flip"],
        f"0.png | {MANY}",
    ),
    "filter: too many pixels": (lambda p: ["filter", p.images("x"), "--kernel", "edge", *LIMIT], MANY),
    "data: a limit where none is asked": (lambda p: ["data", p.folder(), "--pack", "packed", *LIMIT], "--max-pixels"),
    "data: of what a network sees": (
        lambda p: ["data", p.folder(), "--augment", "folder/default", *LIMIT],
        f".png | {MANY}",
    ),
    "train: floats beyond bytes": (
        lambda p: train(p.folder({"a/x.tif": floats(300.0)})),
        "x.tif | from 0 to 300, outside 0..255 | data.float_range=LOW,HIGH",
    ),
    "train: floats beyond what is said": (
        lambda p: train(p.folder({"a/x.tif": floats(300.0)}), "--set", "data.float_range=0,200"),
        "x.tif | from 0 to 300, outside 0..200",
    ),
    "train: black above white": (
        lambda p: train(p.folder(), "--set", "data.float_range=1,0"),
        "data.float_range | black must be below",
    ),
    "train: a range that is none": (
        lambda p: train(p.folder(), "--set", "data.float_range=255"),
        "data.float_range | not 255",
    ),
    "predict: floats of another range": (
        lambda p: predict(p.bundle(), p.write("x.tif", floats(200.0))),
        "x.tif | from 0 to 200, outside 0..1",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)
