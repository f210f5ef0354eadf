"""Bad kernels, and images that they do not fit.

Each is told in one line that names it, with the right status, and leaves nothing behind.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from workplace import Place, Rows, check_row, encoded


def kernel(place: Place, text: str, *more: str) -> list[str]:
    return ["filter", place.images("x"), "--kernel", text, *more]


def channels(count: int) -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((8, 8, count), np.uint8))
    return file.getvalue()


PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
RGB = encoded(Image.fromarray(PIXELS[:8, :8]), "PNG")


FILTERING: Rows = {
    "unknown kernel": (lambda p: kernel(p, "shrpen"), "kernel | 'shrpen' | 'sharpen' | lists the names"),
    "no kernel": (lambda p: ["filter", p.images("x")], "--kernel | missing | edge-laplacian | a file, or numbers"),
    "empty kernel": (lambda p: kernel(p, ""), "kernel | no numbers | write rows"),
    "ragged kernel": (lambda p: kernel(p, "1 2 3; 4 5"), "kernel row 2 | length 2 | row 1 has length 3 | semicolon"),
    "kernel that is not a number": (lambda p: kernel(p, "1 nan; 2 3"), "kernel row 1 | nan | finite"),
    "kernel file of not text": (
        lambda p: kernel(p, p.write("k.txt", b"\xff\0")),
        "k.txt | not text | save it as UTF-8",
    ),
    "kernel file is a folder": (lambda p: kernel(p, p.images("k")), "k | is a folder, not a file"),
    "too large a kernel": (lambda p: kernel(p, "1 " * 102), "kernel | 1 rows of 102 | 101 | smaller"),
    "even kernel": (lambda p: kernel(p, "1 1; 1 1"), "--padding same | 'same' | kernel_size=2 | odd"),
    "kernel larger than the image": (
        lambda p: kernel(p, "1 " * 9, "--padding", "valid"),
        "x/0.png | kernel_size=9 | 0 + 8 + 0 | 5 more | smaller kernel",
    ),
    "unknown padding": (
        lambda p: kernel(p, "edge", "--padding", "zero"),
        "--padding zero | 'zero' | valid, same | full",
    ),
    "negative padding": (lambda p: kernel(p, "edge", "--padding", "-1"), "--padding -1 | negative | one number"),
    "padding without measure": (lambda p: kernel(p, "edge", "--padding", "99999"), "x/0.png | pixels | less padding"),
    "stride 0": (lambda p: kernel(p, "edge", "--stride", "0"), "--stride | equal to 1 | --help"),
    "nothing to filter": (lambda p: ["filter", "gone.png", "--kernel", "edge"], "gone.png | no such file | check"),
    "array of five channels": (
        lambda p: ["filter", p.write("x.npy", channels(5)), "--kernel", "edge"],
        "x.npy | 5 channels | grey images (1)",
    ),
    "results among the images": (lambda p: kernel(p, "edge", "--out", "x/y"), "--out x/y | inside x | outside"),
    "results over a file": (lambda p: kernel(p, "edge", "--out", "x/0.png"), "--out x/0.png | is a file | new folder"),
    "result over an image": (
        lambda p: (
            [p.write("x-edge.png", RGB), p.write("x.png", RGB)]
            and ["filter", "x.png", "x-edge.png", "--kernel", "edge", "--out", "."]
        ),
        "x-edge.png | would overwrite the input x-edge.png | another name",
    ),
}


@pytest.mark.parametrize("name", FILTERING)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(FILTERING[name], place, capsys)
