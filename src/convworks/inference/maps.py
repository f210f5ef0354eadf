"""What networks that name the class of every pixel say of images, at the size of each image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import nn

from convworks.data.cache.memory import processors
from convworks.data.decode.ahead import ahead
from convworks.data.decode.any_image import read_image
from convworks.data.decode.decode import probe, read
from convworks.data.decode.picture import Picture
from convworks.data.decode.preprocess import Preprocessing, covering_size, pad_arrays, scale, scaled_size
from convworks.data.decode.quiet import quiet
from convworks.data.decode.rows import open_rows
from convworks.data.inputs.kinds import input_of
from convworks.data.location import Location
from convworks.errors import InputError, RunError
from convworks.inference.answers import activated
from convworks.inference.averaged import AveragedRuntime
from convworks.inference.bulk.scorer import Scorer
from convworks.inference.bulk.scorers import of_one_view
from convworks.inference.limits import MOST_PIXELS, NO_OVERFLOW, OVERFLOW, PIXELS
from convworks.inference.reader import Computed
from convworks.inference.runtime import Runtime, TorchRuntime, cast_once
from convworks.inference.strips import Strips, as_scores, masks_of, resized
from convworks.inference.tiles import (
    Finish,
    Image,
    Tiling,
    classes,
    probabilities,
    scores,
    strips,
    tiling_of,
    tiling_of_one_size,
)
from convworks.tasks.task import Task

#: Pixels above which an image is never held whole.
STREAMED = 1 << 25
#: Ratio of the sides above which it is said that an image is scaled down, and how many images are looked at for it.
SHRUNK, LOOKED_AT = 1.5, 64


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """An image at the scale on which the network was trained, and the size (height, width) of the original."""

    pixels: UInt8[np.ndarray, "h w c"]
    size: tuple[int, int]

    @property
    def scale(self) -> tuple[int, int]:
        """The size (height, width) of its pixels."""
        return (self.pixels.shape[0], self.pixels.shape[1])


@dataclass(frozen=True, kw_only=True)
class Mapper:
    """Gives the number of the class of every pixel of images, or what else is kept of its scores, at their size.

    Images that fit into the network's input are computed there, as in evaluation, several at a time; a larger one in
    tiles of the same scale, as is any by a network without padding, which scores the centre of its input. Without the
    `network`, which an exported file does not have, tiles have the size of the input. If
    `mirrored`, outputs are the mean over what is computed and its mirror image.
    """

    task: Task
    runtime: Runtime
    preprocessing: Preprocessing
    network: nn.Module | None = None
    mirrored: bool = False

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
        return scaled(name, read_image(name, image, channels=channels, decoding=decoding), self.preprocessing)

    def fitted(self, pixels: UInt8[np.ndarray, "h w c"]) -> Scaled:
        """Return an image of the size of the network's input."""
        return Scaled(pixels=pixels, size=(pixels.shape[0], pixels.shape[1]))

    def blank(self) -> Scaled:
        """Return an image without content."""
        return self.fitted(np.zeros((*self.preprocessing.size, self.preprocessing.channels), np.uint8))

    def compute(self, samples: Sequence[Scaled]) -> Iterator[Computed]:
        """Yield the mask of each image; raises RunError for outputs that are not finite."""
        yield from masks_of(self.maps(samples))

    def scorer(self) -> Scorer:
        """Return what gives the masks of files, each alone: a batch of masks would have one size."""

        def prepare(file: Location) -> Scaled:
            picture = read(file, channels=self.preprocessing.channels, decoding=self.preprocessing.decoding)
            return scaled(file, picture, self.preprocessing)

        def score(samples: Sequence[Scaled]) -> UInt8[np.ndarray, "1 h w"] | Float32[np.ndarray, "1 1"]:
            try:
                return np.stack([each.activated for each in self.compute(samples)])
            except RunError:
                return np.full((len(samples), 1), np.nan, np.float32)

        return Scorer(prepare=prepare, blank=self.blank(), score=score, batch=1)

    def maps(self, images: Iterable[Scaled | InputError], finish: Finish = classes) -> Iterator[Strips | InputError]:
        """Yield the numbers of the classes of each image, in order and at its original size, or why it was not read.

        Another `finish` keeps more of the scores (tiles.py). Images are taken as they are needed, and the strips of one
        before the next: in memory are the images of a batch, and a strip at the original size.
        """
        for tiled, group in groupby(images, self._needs_tiles):
            if tiled:
                yield from (self._of_tiles(image, finish) for image in group if isinstance(image, Scaled))  # as all are
                continue
            while batch := list(islice(group, self._of_size.batch)):
                yield from self._of_input(batch, finish)

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
    def rows(self, path: Path, finish: Finish = classes) -> Iterator[Strips]:
        """Give the same of a large image, which is read some rows at a time, too."""
        with self.tiled.ready(), open_rows(path, self.preprocessing.channels, self.preprocessing.decoding) as image:
            yield Strips(size=(image.shape[0], image.shape[1]), rows=self._strips(image, finish))

    def each(self, files: Sequence[Path], finish: Finish = classes) -> Iterator[tuple[Path, Strips | InputError]]:
        """Yield the same of each of many files, in order, or the error of one that was not read."""

        def read(path: Path) -> Scaled | InputError:
            try:
                return self.read(path, path)
            except InputError as error:
                return error

        with quiet():
            yield from zip(files, self.maps(ahead(read, files, processors()), finish), strict=True)

    def _needs_tiles(self, image: Scaled | InputError) -> bool:
        if isinstance(image, InputError):
            return False
        larger = any(side > most for side, most in zip(image.pixels.shape, self.preprocessing.size, strict=False))
        return larger or self._scored != tuple(self.preprocessing.size)

    def _of_input(self, images: Sequence[Scaled | InputError], finish: Finish) -> Iterator[Strips | InputError]:
        """Yield what is kept of images that fit into the network's input, which are computed at once."""
        want, sound = self.preprocessing.size, [image for image in images if isinstance(image, Scaled)]
        padded = [pad_arrays(image.pixels[None], want)[0] for image in sound]
        values = iter(self._of_size.score(padded) if padded else ())
        for image in images:
            if isinstance(image, InputError):
                yield image
            else:
                yield Strips(size=image.size, rows=_unpadded(next(values), image, finish))

    def _of_tiles(self, image: Scaled, finish: Finish) -> Strips:
        """Return what is kept of an image that is computed tile by tile, at its original size."""
        resizes = image.scale != image.size
        kept = self._strips(image.pixels, probabilities if resizes else finish)

        def rows() -> Iterator[np.ndarray]:
            with self.tiled.ready():
                yield from resized(map(as_scores, kept), image.scale, image.size, finish) if resizes else kept

        return Strips(size=image.size, rows=rows())

    def _strips(self, image: Image, finish: Finish) -> Iterator[np.ndarray]:
        """Yield what is kept of an image, with as many tiles at a time as the device computes together."""
        compute = scores(self._viewed(self.tiled), self.task.activation)
        pixels = PIXELS.get(self.tiled.device.type, MOST_PIXELS)
        return strips(compute, image, self.tiling, finish, pixels=pixels)

    def _viewed(self, runtime: Runtime) -> Runtime:
        """Return what computes with this runtime, from mirror images too if these count."""
        if not self.mirrored:
            return runtime
        return AveragedRuntime(members=(runtime,), activation=self.task.activation, mirrored=True)

    @cached_property
    def _of_size(self) -> Scorer:
        """What computes images in the network's input."""
        return of_one_view(self._viewed(self.runtime), input_of(self.preprocessing), self.task.activation)

    @cached_property
    def _scored(self) -> tuple[int, ...]:
        """The size of what the network scores of its input: all of it, or the centre."""
        return activated(self.task, self.runtime, input_of(self.preprocessing).blank(1)).shape[2:]


def scaled(name: object, picture: Picture, preprocessing: Preprocessing) -> Scaled:
    """Scale an image as in training, but keep all of it; InputError for one that becomes too large."""
    have, size = picture.size, computed_size(name, picture.size, preprocessing)
    pixels = picture.pixels if picture.pixels.shape[:2] == tuple(size) else scale(picture.pixels, size)
    return Scaled(pixels=pixels, size=have)


def computed_size(name: object, have: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int]:
    """Return the size (height, width) that an image of another is scaled to; InputError for one that is too large.

    squash: that of the network's input. letterbox: to fit into it. crop: to cover it. pad: its own.
    """
    want = preprocessing.size
    match preprocessing.fit:
        case "squash":
            return want
        case "pad":
            return have
        case "letterbox":
            return scaled_size(have, min(most / side for most, side in zip(want, have, strict=True)))
        case "crop":
            return covering_size(name, have, want, preprocessing.decoding.max_pixels, preprocessing.crop_fraction)


def shrinking_note(files: Sequence[Path], preprocessing: Preprocessing) -> str:
    """Say at which size images are computed if some of the first are much larger; empty if none is."""
    largest, computed, most = (0, 0), (0, 0), SHRUNK
    for file in files[:LOOKED_AT]:
        try:
            header = probe(file, max_pixels=None)
            have = (header.height, header.width)
            size = computed_size(file, have, preprocessing)
        except InputError:
            continue
        factor = max(side / scaled for side, scaled in zip(have, size, strict=True))
        if factor > most:
            largest, computed, most = have, size, factor
    if not any(largest):
        return ""
    sizes = [f"{width}x{height}" for height, width in (largest, computed)]
    return (
        f"images of {sizes[0]} pixels are computed at {sizes[1]} (data.fit={preprocessing.fit}), and masks enlarged: "
        "a network that was trained with --set data.fit=pad computes them at full size, in tiles"
    )


def _unpadded(values: Float32[np.ndarray, "k _h _w"], image: Scaled, finish: Finish) -> Iterator[np.ndarray]:
    """Yield what is kept, at its original size, of the scores of a padded image; RunError if they are not finite."""
    if not np.isfinite(values).all():
        raise RunError("network", OVERFLOW, NO_OVERFLOW)
    height, width = image.scale
    top, left = ((have - side) // 2 for have, side in zip(values.shape[1:], image.scale, strict=True))
    part = np.ascontiguousarray(values[:, top : top + height, left : left + width])
    yield from resized([torch.from_numpy(part)], image.scale, image.size, finish)
