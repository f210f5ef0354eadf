"""Fast application of a kernel to an image: cross-correlation of each channel separately, with padding.

Computes ops.cross_correlation.forward in float32, a few rows at a time, such that the working set stays in the CPU
cache. A strip of output rows is a sum of matrix products, one for each kernel column j:

    output[rows, :] = sum over j of band[j] @ input[rows and the next, columns + j]
    band[j][r, r * stride + i] = weight[i, j]

Padding repeats the border by default: zeros would draw edges that are not in the picture.

The rows of the input are used in place, without im2col, and a matrix product is faster than a multiplication and an
addition for each tap: fast enough that separable kernels are not worth a special case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from PIL import Image

from convworks.data.cache.memory import processors
from convworks.errors import InputError, nearest
from convworks.ops.shape import Axis, Padding, sliding

#: Numbers in a strip of output rows, and its minimum and maximum of rows: two strips and their input fit the cache.
STRIP, LEAST_ROWS, MOST_ROWS = 48_000, 4, 32
#: Multiplications in one matrix product. Above 2^18, OpenBLAS would split each product among its own threads, which is
#: many times slower if these wait for busy processors.
PRODUCT = 1 << 18
MOST_PIXELS = 200_000_000

#: What lies beyond the border: the nearest pixel, the mirror image about the border pixels, or zeros.
BORDERS = ("replicate", "reflect", "zeros")

Strip = Float32[np.ndarray, "rows w c"]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """The result of a kernel on an image, in the requested forms; minimum, maximum and mean are over all values."""

    height: int
    width: int
    minimum: float
    maximum: float
    mean: float
    #: Rounded and clipped to 0..255.
    picture: UInt8[np.ndarray, "h w c"] | None
    #: The mean over the channels, signed.
    signed: Float32[np.ndarray, "h w"] | None
    values: Float32[np.ndarray, "h w c"] | None


def filter_image(
    image: Image.Image,
    weights: Float64[np.ndarray, "kh kw"],
    *,
    stride: int = 1,
    padding: Padding = "same",
    border: str = "replicate",
    signed: bool = False,
    values: bool = False,
    threads: int | None = None,
) -> Filtered:
    """Return the cross-correlation of each channel with the kernel (lecture 001, Convolution Applied to an Image).

    `image` is greyscale or colour (mode L or RGB). The result is a picture, or with `signed` the mean over the
    channels; `values` returns all numbers as well. `border` is what the padding holds: one of BORDERS. Raises
    InputError for another border, if the kernel is larger than the padded image, or the result would be far too large.
    """
    if border not in BORDERS:
        raise InputError("border", f"there is no {border!r}{nearest(border, BORDERS)}", f"give {', '.join(BORDERS)}")
    axes = sliding((image.height, image.width), weights.shape, stride, padding)
    height, width, channels = axes[0].output, axes[1].output, len(image.getbands())
    if height * width > MOST_PIXELS:
        raise InputError("padding", f"makes a result of {width}x{height} pixels", "use less padding")
    picture = None if signed else np.empty((height, width, channels), np.uint8)
    mean = np.empty((height, width), np.float32) if signed else None
    all_values = np.empty((height, width, channels), np.float32) if values else None

    def receive(first: int, strip: Strip) -> tuple[float, float, float]:
        rows = slice(first, first + len(strip))
        statistics = float(strip.min()), float(strip.max()), float(strip.sum())
        if all_values is not None:
            all_values[rows] = strip
        if mean is not None:
            np.copyto(mean[rows], strip[:, :, 0])
            for channel in range(1, channels):
                mean[rows] += strip[:, :, channel]
            mean[rows] /= channels
        if picture is not None:
            np.rint(strip, out=strip)
            np.clip(strip, 0, 255, out=strip)
            np.copyto(picture[rows], strip, casting="unsafe")
        return statistics

    lowest, highest, total = zip(
        *correlate(image, weights, axes, border, receive, threads or processors()), strict=True
    )
    return Filtered(
        height=height,
        width=width,
        minimum=min(lowest),
        maximum=max(highest),
        mean=sum(total) / (height * width * channels),
        picture=picture,
        signed=mean,
        values=all_values,
    )


def correlate(
    image: Image.Image,
    weights: Float64[np.ndarray, "kh kw"],
    axes: Sequence[Axis],
    border: str,
    receive: Callable[[int, Strip], T],
    threads: int,
) -> list[T]:
    """Pass the first row and the content of each strip to `receive`, from several threads; return its results."""
    height, width, channels = axes[0].output, axes[1].output, len(image.getbands())
    stride = axes[0].stride
    rows = min(height, max(LEAST_ROWS, min(MOST_ROWS, STRIP // (width * stride * channels))))
    lines = (rows - 1) * stride + len(weights)  # input rows of a strip
    length = ((width - 1) * stride + 1) * channels  # with a stride, all columns are computed and some discarded
    tile = min(length, max(64, PRODUCT // (rows * max(lines, weights.shape[1]))))
    bands = _bands(weights, rows, stride)

    def work(strips: range) -> list[T]:
        # NumPy releases the interpreter lock while it computes; each thread has its own buffers, in its core's cache.
        padded = np.zeros((lines, (axes[1].before + axes[1].size + axes[1].after) * channels), np.float32)
        total, parts = np.empty((rows, length), np.float32), np.empty((len(bands), rows, tile), np.float32)
        tiles = []
        for left in range(0, length, tile):
            wide = min(tile, length - left)
            shape, steps = (len(bands), lines, wide), (channels * padded.itemsize, *padded.strides)
            windows = np.lib.stride_tricks.as_strided(padded[:, left:], shape, steps)
            tiles.append((windows, parts[:, :, :wide], total[:, left : left + wide]))
        results = []
        for first in strips:
            _copy(image, padded, first * stride - axes[0].before, axes[1].before, border)
            for windows, part, target in tiles:
                np.matmul(bands, windows, out=part)
                np.add.reduce(part, axis=0, out=target)
            strip = total[: height - first].reshape(-1, length // channels, channels)[:, ::stride]
            results.append(receive(first, strip))
        return results

    firsts = range(0, height, rows)
    count = -(-len(firsts) // threads)
    groups = [firsts[start : start + count] for start in range(0, len(firsts), count)]
    if len(groups) == 1:
        return work(firsts)
    with ThreadPoolExecutor(len(groups)) as pool:
        return [result for results in pool.map(work, groups) for result in results]


def _bands(weights: Float64[np.ndarray, "kh kw"], rows: int, stride: int) -> Float32[np.ndarray, "kw rows lines"]:
    """Return, for each kernel column, the band matrix that applies it to the input rows of a strip."""
    bands = np.zeros((weights.shape[1], rows, (rows - 1) * stride + len(weights)), np.float32)
    for row in range(rows):
        bands[:, row, row * stride : row * stride + len(weights)] = weights.T
    return bands


def _copy(image: Image.Image, padded: Float32[np.ndarray, "lines numbers"], top: int, left: int, border: str) -> None:
    """Fill `padded` with the rows of the image from `top` on, from column `left` on, and the border around them."""
    rows = np.arange(top, top + len(padded))
    inside = (rows >= 0) & (rows < image.height)
    sources = rows[inside] if border == "zeros" else _beyond(rows, image.height, border)
    filled = inside if border == "zeros" else slice(None)
    if border == "zeros":
        padded[~inside] = 0
    if not len(sources):
        return
    first, last = int(sources.min()), int(sources.max()) + 1
    # A few rows at a time: an array of the whole image would not fit the cache.
    pixels = np.asarray(image.crop((0, first, image.width, last))).reshape(last - first, image.width, -1)
    lines = padded.reshape(len(padded), -1, pixels.shape[2])
    right = left + image.width
    lines[filled, left:right] = pixels if len(sources) == len(pixels) == len(padded) else pixels[sources - first]
    if border != "zeros":  # columns beyond the border are copies of columns inside
        for columns in (np.arange(left), np.arange(right, lines.shape[1])):
            lines[:, columns] = lines[:, left + _beyond(columns - left, image.width, border)]


def _beyond(positions: Int64[np.ndarray, " n"], size: int, border: str) -> Int64[np.ndarray, " n"]:
    """Return, for each position, the one within an axis of `size` whose value it takes."""
    if border == "replicate" or size == 1:
        return np.asarray(positions.clip(0, size - 1))
    period = 2 * (size - 1)
    return np.asarray((size - 1) - np.abs(positions % period - (size - 1)))
