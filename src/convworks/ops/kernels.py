"""Named kernels for images: the table of lecture 001 (Convolution Applied to an Image) and more; and parsing.

A kernel is an array [height, width]. It is applied as printed here, not flipped, as in convolution layers
(cross-correlation): sobel-x is positive where the image gets brighter to the right.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from convworks.errors import InputError, nearest
from convworks.files import read_text

Weights = Float64[np.ndarray, "height width"]

LARGEST_SIDE = 101
LARGEST_WEIGHT = 1e6
LARGEST_FILE = 1_000_000  # bytes
EXAMPLE = '"0 -1 0; -1 5 -1; 0 -1 0"'
NUMERIC = re.compile(r"[-+−]?(\.?\d|nan\b|inf)", re.IGNORECASE)


class Kernel(NamedTuple):
    """A kernel, the name for its result files, and a description of its effect if known."""

    name: str
    weights: Weights
    shows: str = ""

    @property
    def keeps_brightness(self) -> bool:
        """Return whether the weights sum to 1, so that a uniform image is unchanged."""
        return bool(abs(self.weights.sum() - 1) <= 1e-6)


def box(size: int) -> Weights:
    """Return the mean over size x size pixels: every weight is 1 / size^2 (lecture 001, Box blur)."""
    return np.full((size, size), 1 / size**2)


def gaussian(size: int, sigma: float | int) -> Weights:
    """Return exp(-(x^2 + y^2) / (2 sigma^2)) on size x size pixels around 0, divided by its sum."""
    x = np.arange(size) - (size - 1) / 2
    bell = np.exp(-(x**2) / (2 * sigma**2))
    return np.asarray(np.outer(bell, bell) / bell.sum() ** 2, dtype=np.float64)


def binomial(size: int) -> Weights:
    """Return row `size` of Pascal's triangle times itself, divided by its sum (lecture 001, Gaussian blur)."""
    row = np.array([1.0])
    for _ in range(size - 1):
        row = np.convolve(row, [1.0, 1.0])
    return np.asarray(np.outer(row, row) / row.sum() ** 2, dtype=np.float64)


def gabor(
    size: int,
    wavelength: float | int,
    orientation: float | int,
    sigma: float | int,
    phase: float | int = 0.0,
    aspect: float | int = 1.0,
) -> Weights:
    """Return a Gabor function, a wave under a Gaussian (lectures 000 and 003, Similarities in V1 and CNNs).

        g(x, y) = exp(-(u^2 + aspect^2 v^2) / (2 sigma^2)) cos(2 pi u / wavelength + phase)
        u = x cos(orientation) + y sin(orientation),  v = -x sin(orientation) + y cos(orientation)

    x points right and y up, both 0 in the centre; wavelength and sigma are in pixels, orientation (the direction
    of the wave, counter-clockwise from the right) and phase in degrees.
    """
    along = np.arange(size) - (size - 1) / 2
    x, y = along[None, :], -along[:, None]
    turn = np.deg2rad(orientation)
    u, v = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
    bell = np.exp(-(u**2 + aspect**2 * v**2) / (2 * sigma**2))
    return np.asarray(bell * np.cos(2 * np.pi * u / wavelength + np.deg2rad(phase)), dtype=np.float64)


def balanced(weights: Weights) -> Weights:
    """Return weights shifted to sum 0 (a uniform image gives 0) and scaled so that the positive ones sum to 1."""
    shifted = weights - weights.mean()
    return np.asarray(shifted / shifted[shifted > 0].sum(), dtype=np.float64)


def total(weights: Weights) -> float:
    """Return the sum of the weights, without rounding noise."""
    return round(float(weights.sum()), 6) + 0.0  # not -0


def parse_kernel(text: str) -> Kernel:
    """Parse a kernel: a name of the table, the path of a text file, or numbers such as "0 -1 0; -1 5 -1; 0 -1 0".

    Numbers in a row are separated by spaces or commas; rows end with a semicolon or newline, `#` starts a comment,
    and fractions such as 1/9 are allowed. The name of a kernel of one's own ends with a checksum of its numbers, so
    that the results of two of them do not share a file name. Raises InputError for anything else, and for more than 101
    rows or columns.
    """
    text = text.strip()
    if text in KERNELS:
        return Kernel(text, KERNELS[text], SHOWS[text])
    if text and _exists(path := Path(text)):
        name = re.sub(r"[^\w.-]+", "-", path.stem).strip("-.")
        return _own(name or "kernel", parse_weights(text, read_text(path, limit=LARGEST_FILE)))
    if text and not NUMERIC.match(text):
        reason = f"{text[:60]!r} is neither a name{nearest(text, KERNELS)} nor a file"
        raise InputError("kernel", reason, f"`convworks filter` lists the names; numbers are written {EXAMPLE}")
    weights = parse_weights("kernel", text)
    return _own("kernel-{}x{}".format(*weights.shape), weights)


def _own(name: str, weights: Weights) -> Kernel:
    """Return a kernel of one's own, named by its numbers too."""
    return Kernel(f"{name}-{zlib.crc32(repr(weights.tolist()).encode()):08x}", weights)


def parse_weights(where: str, text: str) -> Weights:
    """Return the numbers of a text (see `parse_kernel`); errors name `where`."""
    plain = re.sub(r"#[^\r\n]*", "", text.replace("−", "-"))
    lines = [line.strip().rstrip(",") for line in re.split(r"[;\r\n]", plain)]
    rows = [re.split(r"\s*,\s*|\s+", line) for line in lines if line]
    if not rows:
        raise InputError(where, "contains no numbers", f"write rows such as {EXAMPLE}")
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            reason = f"has length {len(row)} and row 1 has length {len(rows[0])}"
            raise InputError(
                f"{where} row {number}", reason, "make all rows equally long; a semicolon or a newline ends a row"
            )
    if max(len(rows), len(rows[0])) > LARGEST_SIDE:
        reason = f"has {len(rows)} rows of {len(rows[0])} numbers, more than {LARGEST_SIDE}"
        raise InputError(where, reason, "give a smaller kernel, or scale the image down")
    return np.array([[_number(f"{where} row {i}", entry) for entry in row] for i, row in enumerate(rows, 1)])


def _number(where: str, entry: str) -> float:
    """Parse a decimal number or a fraction."""
    upper, slash, lower = entry.partition("/")
    try:
        value = float(upper) / float(lower) if slash else float(upper)
    except (ValueError, ZeroDivisionError):
        raise InputError(where, f"{entry[:30]!r} is not a number", "write numbers such as -1, 0.25 or 1/9") from None
    if not abs(value) <= LARGEST_WEIGHT:  # negated so that NaN fails
        raise InputError(where, f"{entry[:30]} is not between -1e6 and 1e6", "give finite numbers of moderate size")
    return value


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # path too long, or contains a null byte
        return False


def _table() -> dict[str, tuple[Weights, str]]:
    """Return name -> (weights, description); names are those of the lecture where it has one."""
    edge = "edges of every direction"
    rows: dict[str, tuple[object, str]] = {
        "identity": ([[0, 0, 0], [0, 1, 0], [0, 0, 0]], "the image itself"),
        "edge-diagonal": ([[1, 0, -1], [0, 0, 0], [-1, 0, 1]], "diagonal edges and corners"),
        "edge-laplacian": ([[0, 1, 0], [1, -4, 1], [0, 1, 0]], f"{edge}: the Laplacian"),
        "edge": ([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], f"{edge}: each pixel against its neighbours"),
        "sharpen": ([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], "the image with stronger detail"),
        "box-blur": (box(3), "the mean of 3x3 pixels"),
        "box-blur-5": (box(5), "the mean of 5x5 pixels"),
        "gaussian-blur": (binomial(3), "a soft blur: near pixels count more"),
        "gaussian-blur-5": (binomial(5), "a wider soft blur"),
        "emboss": ([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], "relief, as if lit from the upper left"),
        "sobel-x": ([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "vertical edges: brighter to the right is positive"),
        "sobel-y": ([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], "horizontal edges: brighter below is positive"),
    }
    lines = ("vertical lines", "lines that fall to the right", "horizontal lines", "lines that rise to the right")
    for angle, shows in zip((0, 45, 90, 135), lines, strict=True):
        wave = gabor(15, wavelength=6, orientation=angle, sigma=2.5, aspect=0.75)
        rows[f"gabor-{angle}"] = (balanced(wave), f"{shows}, about 3 pixels wide")
    return {name: (np.asarray(weights, dtype=np.float64), shows) for name, (weights, shows) in rows.items()}


#: Name -> weights [height, width], and name -> description.
KERNELS = {name: weights for name, (weights, _) in _table().items()}
SHOWS = {name: shows for name, (_, shows) in _table().items()}
for _weights in KERNELS.values():
    _weights.setflags(write=False)
