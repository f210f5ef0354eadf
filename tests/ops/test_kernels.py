"""The table of kernels, the formulas behind it, and kernels read from text."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from convworks.errors import InputError
from convworks.ops.kernels import KERNELS, SHOWS, binomial, box, gabor, gaussian, parse_kernel

# Lecture 001, Convolution Applied to an Image.
LECTURE: dict[str, ArrayLike] = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "edge-diagonal": [[1, 0, -1], [0, 0, 0], [-1, 0, 1]],
    "edge-laplacian": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "edge": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "box-blur": np.ones((3, 3)) / 9,
    "gaussian-blur": np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16,
}
BRIGHTNESS = {"identity", "sharpen", "box-blur", "box-blur-5", "gaussian-blur", "gaussian-blur-5", "emboss"}

TEXTS: dict[str, ArrayLike] = {
    "sharpen": LECTURE["sharpen"],
    "0 -1 0; -1 5 -1; 0 -1 0": LECTURE["sharpen"],
    " 1,2 ;3 , 4, ;": [[1, 2], [3, 4]],
    "1/9 -1/4 .5 1e-1 +2": [[1 / 9, -0.25, 0.5, 0.1, 2]],
    "1 2 # a comment; with a semicolon\n3 4": [[1, 2], [3, 4]],
    "−1 2": [[-1, 2]],
    "7": [[7]],
    "1 2\r\n\r\n3 4\r\n": [[1, 2], [3, 4]],
}

WRONG = {
    "": "kernel | no numbers | write rows",
    "  ;; # 1 2": "kernel | neither a name",
    "shrpen": "kernel | 'shrpen' | did you mean 'sharpen' | lists the names",
    "gone/kernel.txt": "kernel | 'gone/kernel.txt' | nor a file",
    "1 2; 3": "kernel row 2 | length 1 | row 1 has length 2",
    "1 x; 2 3": "kernel row 1 | 'x' is not a number | 1/9",
    "1 2; 3 1/0": "kernel row 2 | '1/0' is not a number",
    "1/2/3": "kernel row 1 | '1/2/3' is not a number",
    "1,,2": "kernel row 1 | '' is not a number",
    "1 nan": "kernel row 1 | nan | finite",
    "-inf 1": "kernel row 1 | -inf | finite",
    "1e7": "kernel row 1 | 1e7 | between",
    "0 " * 102: "kernel | 1 rows of 102 | more than 101 | smaller",
    "0;" * 102: "kernel | 102 rows of 1 | more than 101 | smaller",
    "x" * 5000: "kernel | neither a name",
    "a\0b": "kernel | neither a name",
}


def test_the_table_holds_the_kernels_of_the_lecture() -> None:
    for name, weights in LECTURE.items():
        np.testing.assert_allclose(KERNELS[name], np.asarray(weights, dtype=float), rtol=1e-15)


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_keeps_brightness_or_removes_it(name: str) -> None:
    weights = KERNELS[name]
    assert weights.dtype == np.float64
    assert weights.sum() == pytest.approx(1 if name in BRIGHTNESS else 0, abs=1e-12)
    assert parse_kernel(name).keeps_brightness == (name in BRIGHTNESS)
    assert all(side % 2 for side in weights.shape)
    assert SHOWS[name]
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 5


def test_sobel_is_positive_where_the_image_grows_brighter() -> None:
    ramp = np.arange(3.0) * np.ones((3, 1))
    assert (KERNELS["sobel-x"] * ramp).sum() == 8
    assert (KERNELS["sobel-y"] * ramp.T).sum() == 8


def test_blurs() -> None:
    np.testing.assert_allclose(box(5), np.full((5, 5), 0.04))
    np.testing.assert_array_equal(binomial(5)[2] * 256, [6, 24, 36, 24, 6])
    bell = gaussian(7, 1.5)
    assert bell.sum() == pytest.approx(1)
    assert bell[3, 5] / bell[3, 3] == pytest.approx(math.exp(-4 / 4.5))
    np.testing.assert_allclose(bell, bell.T)


def test_gabor_is_the_formula_point_by_point() -> None:
    size, wavelength, orientation, sigma, phase, aspect = 7, 5.0, 30.0, 2.0, 40.0, 0.5
    actual = gabor(size, wavelength, orientation, sigma, phase, aspect)
    turn = math.radians(orientation)
    for row in range(size):
        for column in range(size):
            x, y = column - 3, 3 - row
            u, v = x * math.cos(turn) + y * math.sin(turn), -x * math.sin(turn) + y * math.cos(turn)
            bell = math.exp(-(u * u + aspect**2 * v * v) / (2 * sigma**2))
            wave = math.cos(2 * math.pi * u / wavelength + math.radians(phase))
            assert actual[row, column] == pytest.approx(bell * wave, abs=1e-12)


def test_gabor_kernels_answer_to_lines_of_their_direction() -> None:
    """A bright line on dark ground: upright, falling to the right, lying, rising to the right."""
    grid = np.arange(15) - 7
    x, y = grid[None, :] * np.ones((15, 1)), -grid[:, None] * np.ones((1, 15))
    lines = {0: abs(x) <= 1, 45: abs(x + y) <= 1, 90: abs(y) <= 1, 135: abs(x - y) <= 1}
    for angle, line in lines.items():
        answers = {other: (KERNELS[f"gabor-{other}"] * line).sum() for other in lines}
        assert max(answers, key=lambda other: float(answers[other])) == angle
        assert KERNELS[f"gabor-{angle}"].clip(0).sum() == pytest.approx(1)


@pytest.mark.parametrize("text", TEXTS)
def test_numbers_and_names(text: str) -> None:
    weights = parse_kernel(text).weights
    assert weights.dtype == np.float64
    np.testing.assert_array_equal(weights, TEXTS[text])


def test_names_of_results(tmp_path: Path) -> None:
    (tmp_path / "my kernel.v2.txt").write_text("1 2\n3 4\n")
    assert parse_kernel("edge").name == "edge"
    assert parse_kernel("1 2 3; 4 5 6").name.startswith("kernel-2x3-")
    kernel = parse_kernel(str(tmp_path / "my kernel.v2.txt"))
    assert (kernel.name[:-9], kernel.shows, kernel.weights.tolist()) == ("my-kernel.v2", "", [[1, 2], [3, 4]])


@pytest.mark.parametrize("text", WRONG)
def test_wrong_texts(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_kernel(text)
    line = str(caught.value)
    assert [word for word in WRONG[text].split(" | ") if word not in line] == []
    assert len(line) < 300


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no numbers"),
        (b"1 2\n3\n", "row 2"),
        (b"\x89PNG\xff\xfe", "is not UTF-8 text"),
        (b"\0\0\0", "it is not text"),
        (b"1 " * 600_000, "more than 1,000,000"),
    ],
)
def test_wrong_files(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "kernel.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        parse_kernel(str(path))
    assert caught.value.where.startswith(str(path))
    assert "\0" not in str(caught.value)


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(InputError, match=r"is a (folder|pipe or a device), not a"):
            parse_kernel(str(path))
