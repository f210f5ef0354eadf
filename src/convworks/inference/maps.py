"""What networks that name the class of every pixel say of images, at the size of each image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import nn

from convworks.data.decode.any_image import read_image
from convworks.data.decode.decode import probe, read
from convworks.data.decode.picture import Picture
from convworks.data.decode.preprocess import Preprocessing, pad_arrays, scale, scaled_size
from convworks.data.decode.rows import open_rows
from convworks.data.inputs.kinds import input_of
from convworks.data.location import Location
from convworks.errors import InputError, RunError
from convworks.inference.answers import activated
from convworks.inference.bulk.scorer import Scorer
from convworks.inference.reader import Computed
from convworks.inference.runtime import Runtime, TorchRuntime, cast_once
from convworks.inference.tiles import Tiling, classes, probabilities, scores, strips, tiling_of, tiling_of_one_size
from convworks.tasks.task import Task

#: Images computed together, at most.
TOGETHER = 16
#: Pixels above which an image is never held whole.
STREAMED = 1 << 25

Map = Float32[np.ndarray, "k h w"]


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """An image at the scale on which the network was trained, and the size (height, width) of the original."""

    pixels: UInt8[np.ndarray, "h w c"]
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Mapper:
    """Gives the activated outputs for every pixel of images, at their size.

    An image that fits into the network's input is computed there, as in evaluation; a larger one in tiles of the same
    scale, as is any by a network without padding, which scores the centre of its input. Without the `network`, which
    an exported file does not have, tiles have the size of the input.
    """

    task: Task
    runtime: Runtime
    preprocessing: Preprocessing
    network: nn.Module | None = None

    @cached_property
    def tiling(self) -> Tiling:
        """How larger images are divided; raises InputError for an exported file that scores all of its input."""
        if self.network is None:
            return tiling_of_one_size(self.preprocessing.size, self._scored)
        return tiling_of(self.network, self.preprocessing.channels, self.preprocessing.size)

    @cached_property
    def tiled(self) -> Runtime:
        """What computes tiles: PyTorch, for other libraries take images of one size."""
        if self.network is None or isinstance(self.runtime, TorchRuntime):
            return self.runtime
        precision = self.runtime.precision
        network = cast_once(self.network, precision)
        return TorchRuntime(network=network, input=input_of(self.preprocessing), precision=precision)

    def read(self, name: object, image: Any) -> Scaled:
        """Return an image of any supported type, scaled as in training."""
        channels, decoding = self.preprocessing.channels, self.preprocessing.decoding
        return scaled(read_image(name, image, channels=channels, decoding=decoding), self.preprocessing)

    def fitted(self, pixels: UInt8[np.ndarray, "h w c"]) -> Scaled:
        """Return an image of the size of the network's input."""
        return Scaled(pixels=pixels, size=(pixels.shape[0], pixels.shape[1]))

    def compute(self, samples: Sequence[Scaled]) -> Iterator[Computed]:
        """Yield the map of each image, one at a time; those that fit into the network's input are computed together."""
        for first in range(0, len(samples), TOGETHER):
            piece = samples[first : first + TOGETHER]
            whole = iter(self._whole([each for each in piece if self._fits(each)]))
            for each in piece:
                values = next(whole) if self._fits(each) else self._tiled(each.pixels)
                yield Computed(resized(values, each.size), {})

    def scorer(self) -> Scorer:
        """Return what scores files, each alone: a batch of maps would have one size."""

        def prepare(file: Location) -> Scaled:
            picture = read(file, channels=self.preprocessing.channels, decoding=self.preprocessing.decoding)
            return scaled(picture, self.preprocessing)

        def score(samples: Sequence[Scaled]) -> Float32[np.ndarray, "1 *output"]:
            try:
                return np.stack([each.activated for each in self.compute(samples)])
            except RunError:
                return np.full((len(samples), 1), np.nan, np.float32)

        blank = np.zeros((*self.preprocessing.size, self.preprocessing.channels), np.uint8)
        return Scorer(prepare=prepare, blank=self.fitted(blank), score=score, batch=1)

    def _fits(self, image: Scaled) -> bool:
        """Return whether an image is computed whole: it fits, and the network scores all of its input."""
        size = tuple(self.preprocessing.size)
        return self._scored == size and all(side <= most for side, most in zip(image.pixels.shape, size, strict=False))

    def _whole(self, images: Sequence[Scaled]) -> list[Map]:
        """Return the maps of images that fit, at their scale; RunError if outputs are not finite."""
        if not images:
            return []
        want = self.preprocessing.size
        padded = [pad_arrays(each.pixels[None], want)[0] for each in images]
        maps = activated(self.task, self.runtime, input_of(self.preprocessing).stack(padded))
        parts = []
        for values, each in zip(maps, images, strict=True):
            height, width = each.pixels.shape[:2]
            top, left = ((have - side) // 2 for have, side in zip(want, (height, width), strict=True))
            parts.append(values[:, top : top + height, left : left + width])
        return parts

    def _tiled(self, pixels: UInt8[np.ndarray, "h w c"]) -> Map:
        """Return the map of an image of any size, at its scale; RunError if outputs are not finite."""
        with self.tiled.ready(), torch.inference_mode():
            compute = scores(self.tiled, self.task.activation)
            rows = np.concatenate(list(strips(compute, pixels, self.tiling, probabilities)))
        return np.moveaxis(rows, -1, 0)

    def streams(self, path: Path) -> bool:
        """Return whether an image is so large that it is read, computed and written some rows at a time."""
        if self.preprocessing.fit != "pad":  # all others are scaled down first
            return False
        try:
            header = probe(path, max_pixels=None)
        except InputError:
            return False
        return header.width * header.height > STREAMED

    @contextmanager
    def rows(self, path: Path) -> Iterator[tuple[tuple[int, int], Iterator[UInt8[np.ndarray, "h w"]]]]:
        """Give the size (height, width) of an image, and the numbers of classes of its pixels, some rows at a time."""
        compute = scores(self.tiled, self.task.activation)
        with self.tiled.ready(), open_rows(path, self.preprocessing.channels, self.preprocessing.decoding) as image:
            yield (image.shape[0], image.shape[1]), strips(compute, image, self.tiling, classes)

    @cached_property
    def _scored(self) -> tuple[int, ...]:
        """The size of what the network scores of its input: all of it, or the centre."""
        return activated(self.task, self.runtime, input_of(self.preprocessing).blank(1)).shape[2:]


def scaled(picture: Picture, preprocessing: Preprocessing) -> Scaled:
    """Scale an image as in training, but keep all of it.

    squash: to the network's input. letterbox: to fit into it. crop: to cover it. pad: not at all.
    """
    have, want = picture.size, preprocessing.size
    ratios = [most / side for most, side in zip(want, have, strict=True)]
    if preprocessing.fit == "squash":
        size = want
    elif preprocessing.fit == "pad":
        size = have
    else:
        factor = min(ratios) if preprocessing.fit == "letterbox" else max(ratios) / preprocessing.crop_fraction
        size = scaled_size(have, factor)
    pixels = picture.pixels if picture.pixels.shape[:2] == tuple(size) else scale(picture.pixels, size)
    return Scaled(pixels=pixels, size=have)


def resized(values: Map, size: tuple[int, int]) -> Float32[np.ndarray, "k height width"]:
    """Return a map at another size (height, width), by bilinear interpolation."""
    values = np.ascontiguousarray(values)
    if values.shape[1:] == tuple(size):
        return values
    result: np.ndarray = F.interpolate(torch.from_numpy(values)[None], size, mode="bilinear")[0].numpy()
    return result
