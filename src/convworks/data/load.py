"""From a split to one uint8 tensor, decoded and fitted by threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from convworks.data.decode import convert, decode, open_image, to_array
from convworks.data.memory import allocate, processors
from convworks.data.place import Place
from convworks.data.preprocess import Preprocessing, fit_array, fit_image, pad_arrays
from convworks.data.quiet import quiet
from convworks.data.source import Split
from convworks.errors import InputError

Progress = Callable[[int, int], None]  # images done, images in all
PIECE = 64  # images a task: enough to make the hand-over to a thread cheap
PIECE_PIXELS = 1 << 19
SHOWN = 5


def load_images(
    split: Split, preprocessing: Preprocessing, *, report: Progress | None = None, budget: int | None = None
) -> UInt8[Tensor, "n c h w"]:
    """Decode and fit a whole split, in channels_last memory; one InputError names all damaged files.

    More than `budget` bytes (default: half of the free memory) go into a nameless file in the user's cache.
    """
    ready = _whole(split, preprocessing) if split.arrays is not None else None
    if ready is not None:
        if report is not None:
            report(len(split), len(split))
        return torch.from_numpy(ready).permute(0, 3, 1, 2)
    out = allocate((len(split), *preprocessing.size, preprocessing.channels), budget)
    damaged: list[InputError] = []
    done = 0
    with quiet(), ThreadPoolExecutor(processors()) as pool:
        tasks = [
            pool.submit(_fill, out, split, preprocessing, range(first, min(first + PIECE, len(split))))
            for first in range(0, len(split), PIECE)
        ]
        try:
            for task in as_completed(tasks):
                count, errors = task.result()
                damaged += errors
                done += count
                if report is not None:
                    report(done, len(split))
        except BaseException:  # Ctrl-C and the like: do not decode the rest first
            pool.shutdown(cancel_futures=True)
            raise
    if damaged:
        raise summarise(damaged, len(split))
    return torch.from_numpy(out).permute(0, 3, 1, 2)


def load_image(path: Place, preprocessing: Preprocessing) -> UInt8[np.ndarray, "h w c"]:
    """Decode and fit one file, exactly as `load_images` does."""
    if path.suffix.lower() == ".npy":
        array = decode(path, channels=preprocessing.channels)
        return fit_array(array, preprocessing.size, preprocessing.fit, preprocessing.share)
    side = 1 / preprocessing.share
    wanted = (math.ceil(preprocessing.size[0] * side), math.ceil(preprocessing.size[1] * side))
    at_least = None if preprocessing.fit == "pad" else wanted
    image = open_image(path, channels=preprocessing.channels, at_least=at_least)
    return to_array(fit_image(image, preprocessing.size, preprocessing.fit, preprocessing.share))


def fit_images(arrays: UInt8[np.ndarray, "n h w c"], preprocessing: Preprocessing) -> UInt8[np.ndarray, "n h2 w2 c2"]:
    """Bring decoded images to the channels and size that a network wants."""
    split = Split(labels=np.zeros(len(arrays), np.int64), names=("",) * len(arrays), arrays=arrays)
    ready = _whole(split, preprocessing)
    if ready is not None:
        return ready
    return np.stack([_fit_one(array, preprocessing) for array in arrays])


def mean_std(images: UInt8[Tensor, "n c h w"]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, of pixels in 0..1, exactly."""
    values = range(256)
    means, deviations = [], []
    for channel in range(images.shape[1]):
        counts = _histogram(images[:, channel])
        count = sum(counts)
        total = sum(n * value for n, value in zip(counts, values, strict=True))
        squares = sum(n * value * value for n, value in zip(counts, values, strict=True))
        means.append(total / count / 255)
        # In whole numbers until the root: n * sum(x^2) - sum(x)^2 loses nothing.
        deviations.append(math.sqrt((count * squares - total**2) / count**2) / 255)
    return tuple(means), tuple(deviations)


def summarise(errors: list[InputError], count: int) -> InputError:
    """Join the errors of several files into one that names the first few."""
    ordered = sorted(errors, key=lambda error: error.where)
    if len(ordered) == 1:
        return ordered[0]
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    names = ", ".join(error.where for error in ordered[:SHOWN]) + more
    reason = f"{len(ordered)} of {count} images cannot be used (the first {ordered[0].reason})"
    return InputError(names, reason, "repair or remove them")


def _whole(split: Split, preprocessing: Preprocessing) -> np.ndarray | None:
    """Return all images of an array at once, where no resampling is needed; always a copy."""
    arrays = split.arrays
    assert arrays is not None
    channels = preprocessing.channels
    if arrays.shape[3] != channels and (arrays.shape[3], channels) != (1, 3):
        return None
    same = arrays.shape[1:3] == preprocessing.size
    if preprocessing.fit != "pad" and (not same or (preprocessing.fit == "crop" and preprocessing.share < 1)):
        return None
    fitted = arrays if same else pad_arrays(arrays, preprocessing.size)
    if arrays.shape[3] != channels:
        return np.repeat(fitted, channels, axis=3)
    return fitted.copy() if fitted is arrays else fitted


def _fill(out: np.ndarray, split: Split, preprocessing: Preprocessing, where: range) -> tuple[int, list[InputError]]:
    """Decode and fit some images into their places; return how many, and what was wrong."""
    damaged = []
    for index in where:
        try:
            if split.files is not None:
                out[index] = load_image(split.files[index], preprocessing)
            elif split.arrays is not None:
                out[index] = _fit_one(split.arrays[index], preprocessing)
        except InputError as error:
            damaged.append(error)
    return len(where), damaged


def _fit_one(array: UInt8[np.ndarray, "h w c"], preprocessing: Preprocessing) -> np.ndarray:
    if array.shape[2] == preprocessing.channels:
        return fit_array(array, preprocessing.size, preprocessing.fit, preprocessing.share)
    if array.shape[2] not in (1, 3, 4) or preprocessing.channels not in (1, 3, 4):
        reason = f"have {array.shape[2]} channels, not {preprocessing.channels}"
        raise InputError("images", reason, "give images with the channels that the network was trained on")
    image = Image.fromarray(np.ascontiguousarray(array[:, :, 0] if array.shape[2] == 1 else array))
    converted = convert(image, preprocessing.channels)
    return to_array(fit_image(converted, preprocessing.size, preprocessing.fit, preprocessing.share))


def _histogram(plane: UInt8[Tensor, "n h w"]) -> list[int]:
    """Count each value, in pairs of pixels: ten times as fast as summing squares."""
    pairs, single = np.zeros(1 << 16, dtype=np.int64), np.zeros(256, dtype=np.int64)
    for piece in torch.split(plane, max(1, PIECE_PIXELS // plane[0].numel())):
        flat = np.ascontiguousarray(piece.cpu().numpy()).reshape(-1)
        even = len(flat) - len(flat) % 2
        pairs += np.bincount(flat[:even].view(np.uint16), minlength=1 << 16)
        single += np.bincount(flat[even:], minlength=256)
    square = pairs.reshape(256, 256)
    return [int(n) for n in square.sum(0) + square.sum(1) + single]
