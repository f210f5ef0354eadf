"""A kernel applied to the pixels of an image: cross-correlation of each channel by itself, zeros around, fast.

It computes what ops.cross_correlation.forward does, in float32 and a few rows at a time, such that all that is worked
on stays in the processor's cache. A strip of output rows is a sum of matrix products, one for each kernel column j:

    output[rows, :] = sum over j of band[j] @ input[rows and the next, columns + j]
    band[j][r, r * stride + i] = weight[i, j]

The rows of the input lie in memory as they are, so nothing is gathered, and a matrix product runs faster than a
multiplication and an addition for each tap: fast enough that kernels of rank one are not worth a way of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from PIL import Image

from convworks.data.cache.memory import processors
from convworks.errors import InputError
from convworks.ops.shape import Axis, Padding, sliding

#: Numbers in a strip of output rows, and its least and most rows: two such strips and their input fit the cache.
STRIP, LEAST_ROWS, MOST_ROWS = 48_000, 4, 32
#: Multiplications in one matrix product. Above 2^18, OpenBLAS would share each of them among threads of its own, which
#: is many times slower where these wait for processors that are busy.
PRODUCT = 1 << 18
MOST_PIXELS = 200_000_000

Strip = Float32[np.ndarray, "rows w c"]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """The result of a kernel on an image, in the forms asked for; minimum, maximum, mean are over all its values."""

    height: int
    width: int
    minimum: float
    maximum: float
    mean: float
    #: Rounded and clipped to 0..255.
    picture: UInt8[np.ndarray, "h w c"] | None
    #: The mean over the channels, with its sign.
    signed: Float32[np.ndarray, "h w"] | None
    values: Float32[np.ndarray, "h w c"] | None


def filter_image(
    image: Image.Image,
    weights: Float64[np.ndarray, "kh kw"],
    *,
    stride: int = 1,
    padding: Padding = "same",
    signed: bool = False,
    values: bool = False,
    threads: int | None = None,
) -> Filtered:
    """Return the cross-correlation of each channel with the kernel (lecture 001, Convolution Applied to an Image).

    `image` is grey or in colour (mode L or RGB). The result is a picture, or with `signed` the mean over the channels;
    `values` keeps all numbers as well. Raises InputError where the kernel is larger than the padded image, or the
    result would be far too large.
    """
    axes = sliding((image.height, image.width), weights.shape, stride, padding)
    height, width, channels = axes[0].output, axes[1].output, len(image.getbands())
    if height * width > MOST_PIXELS:
        raise InputError("padding", f"makes a result of {width}x{height} pixels", "use less padding")
    picture = None if signed else np.empty((height, width, channels), np.uint8)
    mean = np.empty((height, width), np.float32) if signed else None
    kept = np.empty((height, width, channels), np.float32) if values else None

    def receive(first: int, strip: Strip) -> tuple[float, float, float]:
        rows = slice(first, first + len(strip))
        found = float(strip.min()), float(strip.max()), float(strip.sum())
        if kept is not None:
            kept[rows] = strip
        if mean is not None:
            np.copyto(mean[rows], strip[:, :, 0])
            for channel in range(1, channels):
                mean[rows] += strip[:, :, channel]
            mean[rows] /= channels
        if picture is not None:
            np.rint(strip, out=strip)
            np.clip(strip, 0, 255, out=strip)
            np.copyto(picture[rows], strip, casting="unsafe")
        return found

    lowest, highest, total = zip(*correlate(image, weights, axes, receive, threads or processors()), strict=True)
    return Filtered(
        height=height,
        width=width,
        minimum=min(lowest),
        maximum=max(highest),
        mean=sum(total) / (height * width * channels),
        picture=picture,
        signed=mean,
        values=kept,
    )


def correlate(
    image: Image.Image,
    weights: Float64[np.ndarray, "kh kw"],
    axes: Sequence[Axis],
    receive: Callable[[int, Strip], T],
    threads: int,
) -> list[T]:
    """Give each strip of the result, with its first row, to `receive` (from several threads); return its answers."""
    height, width, channels = axes[0].output, axes[1].output, len(image.getbands())
    stride = axes[0].stride
    rows = min(height, max(LEAST_ROWS, min(MOST_ROWS, STRIP // (width * stride * channels))))
    lines = (rows - 1) * stride + len(weights)  # input rows below a strip
    length = ((width - 1) * stride + 1) * channels  # with a stride, all columns are computed and some kept
    tile = min(length, max(64, PRODUCT // (rows * max(lines, weights.shape[1]))))
    bands = _bands(weights, rows, stride)

    def work(strips: range) -> list[T]:
        # NumPy lets other threads run while it computes; each has its own room, which stays in its core's cache.
        padded = np.zeros((lines, (axes[1].before + axes[1].size + axes[1].after) * channels), np.float32)
        total, parts = np.empty((rows, length), np.float32), np.empty((len(bands), rows, tile), np.float32)
        tiles = []
        for left in range(0, length, tile):
            wide = min(tile, length - left)
            shape, steps = (len(bands), lines, wide), (channels * padded.itemsize, *padded.strides)
            seen = np.lib.stride_tricks.as_strided(padded[:, left:], shape, steps)
            tiles.append((seen, parts[:, :, :wide], total[:, left : left + wide]))
        answers = []
        for first in strips:
            _copy(image, padded, first * stride - axes[0].before, axes[1].before * channels)
            for seen, part, place in tiles:
                np.matmul(bands, seen, out=part)
                np.add.reduce(part, axis=0, out=place)
            strip = total[: height - first].reshape(-1, length // channels, channels)[:, ::stride]
            answers.append(receive(first, strip))
        return answers

    firsts = range(0, height, rows)
    share = -(-len(firsts) // threads)
    shares = [firsts[start : start + share] for start in range(0, len(firsts), share)]
    if len(shares) == 1:
        return work(firsts)
    with ThreadPoolExecutor(len(shares)) as pool:
        return [answer for answers in pool.map(work, shares) for answer in answers]


def _bands(weights: Float64[np.ndarray, "kh kw"], rows: int, stride: int) -> Float32[np.ndarray, "kw rows lines"]:
    """Return for each kernel column the matrix that applies it to the lines of a strip."""
    bands = np.zeros((weights.shape[1], rows, (rows - 1) * stride + len(weights)), np.float32)
    for row in range(rows):
        bands[:, row, row * stride : row * stride + len(weights)] = weights.T
    return bands


def _copy(image: Image.Image, padded: Float32[np.ndarray, "lines numbers"], top: int, left: int) -> None:
    """Copy the image's rows from `top` on to column `left` of `padded`, and zeros where it has none."""
    first = max(0, top)
    last = max(first, min(image.height, top + len(padded)))
    padded[: first - top] = 0
    padded[last - top :] = 0
    if first < last:  # a few rows at a time, for an array of the whole image would not stay in the cache
        pixels = np.asarray(image.crop((0, first, image.width, last))).reshape(last - first, -1)
        padded[first - top : last - top, left : left + pixels.shape[1]] = pixels
