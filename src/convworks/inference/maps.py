"""What networks that name the class of every pixel say of images, at the size of each image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import nn

from convworks.data.decode.any_image import read_image
from convworks.data.decode.decode import probe
from convworks.data.decode.preprocess import Preprocessing, pad_arrays, scale, scaled_size
from convworks.data.decode.quiet import quiet
from convworks.data.decode.rows import open_rows
from convworks.data.inputs.kinds import input_of
from convworks.errors import ConvworksError, InputError, RunError
from convworks.inference.answers import activated
from convworks.inference.averaged import AveragedRuntime
from convworks.inference.runtime import Runtime, TorchRuntime, cast_once
from convworks.inference.tiles import Finish, Tiling, classes, probabilities, scores, strips, tiling_of
from convworks.tasks.task import Task

#: Images decoded at a time.
PIECE = 16
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
    scale, as is any by a network without padding, which scores the centre of its input. Tiles need the `network`. If
    `mirrored`, outputs are the mean over what is computed and its mirror image.
    """

    task: Task
    runtime: Runtime
    preprocessing: Preprocessing
    network: nn.Module | None = None
    mirrored: bool = False

    @cached_property
    def tiling(self) -> Tiling:
        """How larger images are divided; raises InputError for an exported file, whose network is not known."""
        if self.network is None:
            reason = "was exported, and takes images of no other size than its input"
            raise InputError("the network", reason, "use the bundle, or scale the images")
        return tiling_of(self.network, self.preprocessing.channels, self.preprocessing.size)

    @cached_property
    def tiled(self) -> Runtime:
        """What computes tiles: PyTorch, for other libraries take images of one size."""
        if self.network is None or isinstance(self.runtime, TorchRuntime):
            return self.runtime
        precision = self.runtime.precision
        network = cast_once(self.network, precision)
        return TorchRuntime(network=network, input=input_of(self.preprocessing), precision=precision)

    def of(self, name: object, image: object) -> Map:
        """Return the map of one image of any supported type; `name` stands for it in errors."""
        return self.computed(scaled(name, image, self.preprocessing))

    def computed(self, image: Scaled) -> Map:
        """Return the map of an image, at its original size; RunError if outputs are not finite."""
        height, width = image.pixels.shape[:2]
        want = self.preprocessing.size
        if self._scores_all and height <= want[0] and width <= want[1]:
            padded = pad_arrays(image.pixels[None], want)[0]
            whole = activated(self.task, self._viewed(self.runtime), input_of(self.preprocessing).stack([padded]))[0]
            top, left = ((have - side) // 2 for have, side in zip(want, (height, width), strict=True))
            return resized(whole[:, top : top + height, left : left + width], image.size)
        with self.tiled.ready(), torch.inference_mode():
            compute = scores(self._viewed(self.tiled), self.task.activation)
            rows = np.concatenate(list(strips(compute, image.pixels, self.tiling, probabilities)))
        return resized(np.moveaxis(rows, -1, 0), image.size)

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
    def rows(self, path: Path, finish: Finish = classes) -> Iterator[tuple[tuple[int, int], Iterator[np.ndarray]]]:
        """Give the size (height, width) of an image, and the numbers of classes of its pixels, some rows at a time.

        Another `finish` keeps more of the scores (tiles.py).
        """
        compute = scores(self._viewed(self.tiled), self.task.activation)
        with self.tiled.ready(), open_rows(path, self.preprocessing.channels, self.preprocessing.decoding) as image:
            yield (image.shape[0], image.shape[1]), strips(compute, image, self.tiling, finish)

    def each(self, files: Sequence[Path]) -> Iterator[tuple[Path, Map | ConvworksError]]:
        """Yield the map of each of many files, in order, or the error of one that fails."""

        def read(path: Path) -> Scaled | InputError:
            try:
                return scaled(path, path, self.preprocessing)
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
                        yield path, self.computed(image)
                    except RunError as error:
                        yield path, error

    def _viewed(self, runtime: Runtime) -> Runtime:
        """Return what computes with this runtime, from mirror images too if these count."""
        if not self.mirrored:
            return runtime
        return AveragedRuntime(members=(runtime,), activation=self.task.activation, mirrored=True)

    @cached_property
    def _scores_all(self) -> bool:
        """Whether the network scores every pixel of its input, not only the centre."""
        input = input_of(self.preprocessing)
        return activated(self.task, self.runtime, input.blank(1)).shape[2:] == tuple(input.size)


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
    pixels = picture.pixels if picture.pixels.shape[:2] == tuple(size) else scale(picture.pixels, size)
    return Scaled(pixels=pixels, size=have)


def resized(values: Map, size: tuple[int, int]) -> Float32[np.ndarray, "k height width"]:
    """Return a map at another size (height, width), by bilinear interpolation."""
    values = np.ascontiguousarray(values)
    if values.shape[1:] == tuple(size):
        return values
    result: np.ndarray = F.interpolate(torch.from_numpy(values)[None], size, mode="bilinear")[0].numpy()
    return result
