"""The outputs of networks that name the class of every pixel, at the size of each image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8

from convworks.data.decode.any_image import read_image
from convworks.data.decode.preprocess import Preprocessing, pad_arrays, scale, scaled_size
from convworks.data.decode.quiet import quiet
from convworks.data.inputs.input import Input
from convworks.data.inputs.kinds import input_of
from convworks.errors import ConvworksError, InputError, RunError
from convworks.inference.answers import activated
from convworks.inference.runtime import Runtime
from convworks.tasks.task import Task

#: Images decoded at a time.
PIECE = 16

Map = Float32[np.ndarray, "k h w"]


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """An image at the scale on which the network was trained, and the size (height, width) of the original."""

    pixels: UInt8[np.ndarray, "h w c"]
    size: tuple[int, int]


def scaled(name: object, image: object, preprocessing: Preprocessing) -> Scaled:
    """Decode an image and scale it as in training, but keep all of it.

    squash: to the network's input. letterbox: to fit into it. crop: to cover it. pad: not at all.
    """
    channels, decoding = preprocessing.channels, preprocessing.decoding
    picture = read_image(name, image, channels=channels, decoding=decoding)
    have, want = picture.size, preprocessing.size
    ratios = [most / side for most, side in zip(want, have, strict=True)]
    if preprocessing.fit == "squash":
        size = want
    elif preprocessing.fit == "pad":
        size = have
    else:
        factor = min(ratios) if preprocessing.fit == "letterbox" else max(ratios) / preprocessing.crop_fraction
        size = scaled_size(have, factor)
    pixels = picture.pixels if tuple(picture.pixels.shape[:2]) == tuple(size) else scale(picture.pixels, size)
    return Scaled(pixels=pixels, size=have)


def map_of(task: Task, runtime: Runtime, input: Input, image: Scaled) -> Map:
    """Return the activated outputs for every pixel of an image, at its original size."""
    height, width = image.pixels.shape[:2]
    most = tuple(max(side, own) for side, own in zip(input.size, (height, width), strict=True))
    padded = pad_arrays(image.pixels[None], (most[0], most[1]))[0]
    whole = activated(task, runtime, input.stack([padded]))[0]
    top, left = ((have - want) // 2 for have, want in zip(whole.shape[1:], (height, width), strict=True))
    return enlarged(whole[:, top : top + height, left : left + width], image.size)


def enlarged(values: Map, size: tuple[int, int]) -> Float32[np.ndarray, "k height width"]:
    """Return a map at another size (height, width), by bilinear interpolation."""
    if values.shape[1:] == tuple(size):
        return values
    resized = F.interpolate(torch.from_numpy(np.ascontiguousarray(values))[None], size, mode="bilinear")
    result: np.ndarray = resized[0].numpy()
    return result


def maps(
    task: Task, runtime: Runtime, preprocessing: Preprocessing, files: Sequence[Path]
) -> Iterator[tuple[Path, Map | ConvworksError]]:
    """Yield the map of each of many files, in order, or the error of one that fails."""

    def read(path: Path) -> Scaled | InputError:
        try:
            return scaled(path, path, preprocessing)
        except InputError as error:
            return error

    with quiet(), ThreadPoolExecutor() as pool:
        for first in range(0, len(files), PIECE):
            piece = files[first : first + PIECE]
            for path, image in zip(piece, pool.map(read, piece), strict=True):
                if isinstance(image, InputError):
                    yield path, image
                    continue
                try:
                    yield path, map_of(task, runtime, input_of(preprocessing), image)
                except RunError as error:
                    yield path, error
