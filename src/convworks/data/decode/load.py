"""Loading a split as one uint8 tensor: from the cache, or decoded and fitted in threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from convworks.data.cache.cached import find_or_decode
from convworks.data.cache.memory import allocate
from convworks.data.cache.on_disk import OnDisk, worth_it
from convworks.data.cache.sums import DamagedEntryError
from convworks.data.column import COLOURS, Arrays, Files
from convworks.data.config import DECODING, Decoding
from convworks.data.decode.decode import read, to_channels
from convworks.data.decode.load_files import Progress, decode_files, each, summarise
from convworks.data.decode.picture import Picture, picture_of
from convworks.data.decode.preprocess import Preprocessing, pad_arrays, to_input
from convworks.data.decode.statistics import mean_std
from convworks.data.source import Split


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The images of a split, in channels_last memory or on disk; mean and standard deviation if known.

    `content` is the digest of the bytes of their files; empty for an array.
    """

    images: UInt8[Tensor, "n c h w"] | OnDisk
    content: str = ""
    measured: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def mean_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the exact mean and standard deviation of each channel, of pixels in 0..1."""
        return self.measured or mean_std(whole(self.images))


def load_images(
    split: Split, preprocessing: Preprocessing, *, report: Progress | None = None, budget: int | None = None
) -> UInt8[Tensor, "n c h w"]:
    """Decode and fit a whole split into channels_last memory; one InputError names all damaged files.

    Files are read from the user's cache of decoded images, or added to it. Uncached images of more than `budget` bytes
    (default: half of the free memory) go into an unnamed file.
    """
    return whole(load_split(split, preprocessing, report=report, budget=budget).images)


def whole(images: Tensor | OnDisk) -> UInt8[Tensor, "n c h w"]:
    """Return all images as one tensor, which may be a mapped file."""
    return images.mapped() if isinstance(images, OnDisk) else images


def load_split(
    split: Split, preprocessing: Preprocessing, *, report: Progress | None = None, budget: int | None = None
) -> Loaded:
    """Do as `load_images`, but with mean and standard deviation from the cache, and leave large images on disk."""
    cached = _cached(split, preprocessing, report)
    if cached is not None:
        return cached
    column = split.inputs
    arrays = _whole(column, preprocessing) if isinstance(column, Arrays) else None
    if arrays is not None:
        if report is not None:
            report(len(split), len(split))
        return Loaded(images=torch.from_numpy(arrays).permute(0, 3, 1, 2))
    out = allocate((len(split), *preprocessing.size, preprocessing.channels), budget)
    content = b""
    if isinstance(column, Files):
        content = decode_files(column, preprocessing, out.__setitem__, report)
    else:

        def put(index: int) -> None:
            picture = load_picture(split, index, preprocessing.channels)
            out[index] = to_input(picture, preprocessing, column.spatial or COLOURS)

        damaged = each(put, len(split), report)
        if damaged:
            raise summarise(damaged, len(split))
    return Loaded(images=torch.from_numpy(out).permute(0, 3, 1, 2), content=content.hex())


def _cached(
    split: Split, preprocessing: Preprocessing, report: Progress | None, *, again: bool = True
) -> Loaded | None:
    """Return the images from the cache, decoding them first if needed; None if it has no room.

    Damaged entries are decoded `again`, once.
    """
    entry = find_or_decode(split.inputs, preprocessing, report) if isinstance(split.inputs, Files) else None
    if entry is None:
        return None
    try:
        images = OnDisk(entry)
        pixels = images if worth_it(entry) else images.mapped()
        return Loaded(images=pixels, content=entry.content, measured=(entry.mean, entry.std))
    except OSError:  # another process has evicted it
        return None
    except DamagedEntryError:
        if not again:
            raise
    return _cached(split, preprocessing, report, again=False)


def _whole(column: Arrays, preprocessing: Preprocessing) -> np.ndarray | None:
    """Return all images of an array at once if no resampling is needed, else None; always a copy."""
    arrays, channels = column.values, preprocessing.channels
    if arrays.shape[3] != channels and (arrays.shape[3], channels) != (1, 3):
        return None
    same = arrays.shape[1:3] == preprocessing.size
    if preprocessing.fit != "pad" and (not same or (preprocessing.fit == "crop" and preprocessing.crop_fraction < 1)):
        return None
    fitted = arrays if same else pad_arrays(arrays, preprocessing.size, (column.spatial or COLOURS).fill)
    if arrays.shape[3] != channels:
        return np.repeat(fitted, channels, axis=3)
    return fitted.copy() if fitted is arrays else fitted


def load_picture(
    split: Split,
    index: int,
    channels: int,
    at_least: tuple[int, int] | None = None,
    decoding: Decoding = DECODING,
) -> Picture:
    """Return one image of a split with `channels` channels, otherwise unchanged.

    A JPEG may be decoded at a reduced size, but at no less than 3 times `at_least` (height, width).
    """
    if isinstance(split.inputs, Files):
        return read(split.inputs.files[index], channels=channels, at_least=at_least, decoding=decoding)
    pixels: np.ndarray = split.inputs.values[index]
    return picture_of(to_channels(split.names[index], pixels, channels))
