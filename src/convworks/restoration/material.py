"""What a restoration starts from: the picture, which of its pixels are known, and the truth if there is one."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from convworks.data.config import Decoding
from convworks.data.decode.any_image import read_image
from convworks.data.decode.decode import (
    NUMPY_START,
    Probe,
    has_several_frames,
    is_deep,
    probe,
    probe_file,
    to_image,
)
from convworks.errors import InputError, counted
from convworks.files import path_of
from convworks.restoration.request import Request
from convworks.restoration.tiles import Tile

Pixels = UInt8[np.ndarray, "h w c"]
#: Pixels of the largest picture: it is reduced to what a budget allows, but decoded first.
MOST = 250_000_000
DECODING = Decoding(max_pixels=MOST)
OPAQUE = 255
PLANE = 2  # dimensions of an array without channels
WHITE, MIDDLE = 255, 128  # of a mask: pixels darker than MIDDLE are missing


@dataclass(frozen=True, kw_only=True)
class Material:
    """The pixels of a picture, grey or colour; `known` ones (None: all); the `clean` picture, of the restored size."""

    name: str
    pixels: UInt8[np.ndarray, "h w c"]
    known: Bool[np.ndarray, "h w"] | None = None
    clean: UInt8[np.ndarray, "h2 w2 c"] | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def cropped(self, tile: Tile, scale: int) -> Material:
        """Return a tile of it."""
        rows, columns = tile.rows, tile.columns
        restored = tile.scaled(scale)
        return replace(
            self,
            pixels=self.pixels[rows, columns],
            known=None if self.known is None else self.known[rows, columns],
            clean=None if self.clean is None else self.clean[restored.rows, restored.columns],
        )

    def reduced(self, size: tuple[int, int], scale: int) -> Material:
        """Return the same at a smaller size, in pixels of the observation."""
        if size == self.size:
            return self
        restored = (size[0] * scale, size[1] * scale)
        clean = None if self.clean is None else resized(self.clean, restored)
        if self.known is None:
            return replace(self, pixels=resized(self.pixels, size), clean=clean)
        pixels, known = known_means(self.pixels, self.known, size)
        return replace(self, pixels=pixels, known=known, clean=clean)

    def enlarged(self, scale: int) -> UInt8[np.ndarray, "h2 w2 c"]:
        """Return the picture before: missing pixels black, enlarged to the restored size by bicubic interpolation."""
        pixels = self.pixels if self.known is None else self.pixels * self.known[:, :, None]
        return pixels if scale == 1 else resized(pixels, (self.size[0] * scale, self.size[1] * scale))


def read_material(name: str, image: Any, request: Request, *, mask: Any = None, compare: Any = None) -> Material:
    """Read a picture in any form, with its mask and the clean picture; InputError for what does not fit together."""
    header, (several_frames, deep) = None, (False, False)
    if isinstance(image, Image.Image):  # before it is loaded
        several_frames, deep = has_several_frames(image), is_deep(image)
    elif (header := _header(name, image)) is not None:
        several_frames, deep = header.several_frames, header.deep
    pixels = _read(name, image, None)
    if pixels.shape[2] not in (1, 3, 4):
        raise InputError(name, f"has {pixels.shape[2]} channels", "give a grey image (1) or colours (3)")
    alpha = None if header is not None and not header.transparent else _alpha(name, image)
    if pixels.shape[2] == 4:
        pixels = _read(name, image, 3)
    notes = []
    if several_frames:
        notes.append("has several frames or pages: only the first is restored")
    if deep:
        used = np.reshape(to_image(pixels).histogram(), (pixels.shape[2], -1)).any(0)
        levels = counted(int(used.sum()), "grey level" if pixels.shape[2] == 1 else "level")
        notes.append(f"has more than 8 bits a channel: restored with 8, in which it has {levels}")
    known = None
    if request.table.composed:
        known = _known(name, pixels, alpha, mask)
        missing = 1 - known.mean()
        notes.append(f"{missing:.1%} of the pixels are missing")
    elif mask is not None:
        raise InputError("--mask", "is for inpaint", "leave it out")
    if alpha is not None and (mask is not None or known is None):
        notes.append(f"{(alpha < OPAQUE).mean():.1%} of the pixels are transparent: restored on white")
    clean = None if compare is None else _clean(pixels, compare, request.factor)
    return Material(name=name, pixels=pixels, known=known, clean=clean, notes=tuple(notes))


def resized(pixels: Pixels, size: tuple[int, int]) -> UInt8[np.ndarray, "h2 w2 c"]:
    """Return a picture at another size: averaged down, or enlarged by bicubic interpolation."""
    smaller = size[0] * size[1] < pixels.shape[0] * pixels.shape[1]
    way = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    picture = np.asarray(to_image(pixels).resize((size[1], size[0]), way))
    return picture.reshape(*size, pixels.shape[2])


def known_means(
    pixels: Pixels, known: Bool[np.ndarray, "h w"], size: tuple[int, int]
) -> tuple[UInt8[np.ndarray, "h2 w2 c"], Bool[np.ndarray, "h2 w2"]]:
    """Return a picture reduced to the means of its known pixels, and which of the means are of any."""

    def mean(values: np.ndarray) -> Float32[np.ndarray, "h2 w2"]:
        picture = Image.fromarray(values.astype(np.float32))
        return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BOX))

    coverage = mean(known)
    totals = np.dstack([mean(channel * known) for channel in np.moveaxis(pixels, 2, 0)])
    means = totals / np.where(coverage > 0, coverage, 1)[:, :, None]
    return means.round().astype(np.uint8), coverage > 0


def _read(where: str, image: Any, channels: int | None) -> Pixels:
    """Return the pixels of a picture in any form; InputError for a file of too many, before it is decoded."""
    if _is_path(image):
        header = probe(path_of(image), max_pixels=None)
        if (count := header.width * header.height) > MOST:
            raise InputError(where, f"has {count:,} pixels, more than {MOST:,}", "scale it down, or give a part of it")
    pixels: np.ndarray = read_image(where, image, channels=channels, decoding=DECODING).pixels
    return pixels


def _alpha(name: str, image: Any) -> UInt8[np.ndarray, "h w"] | None:
    """Return how opaque each pixel is; None if all of them are entirely."""
    alpha = _read(name, image, 4)[:, :, 3]
    return alpha if bool((alpha < OPAQUE).any()) else None


def _header(name: str, image: Any) -> Probe | None:
    """Return the header of a file that is given by its path or its bytes; None for pixels."""
    if _is_path(image):
        return probe(path_of(image), max_pixels=None)
    if not isinstance(image, bytes | bytearray | memoryview) or (content := bytes(image)).startswith(NUMPY_START):
        return None
    return probe_file(name, io.BytesIO(content), None)


def _is_path(image: Any) -> bool:
    return isinstance(image, str | PathLike)


def _known(name: str, pixels: Pixels, alpha: UInt8[np.ndarray, "h w"] | None, mask: Any) -> Bool[np.ndarray, "h w"]:
    """Return which pixels are known: those that are not black in the mask; without one, those that are opaque."""
    if mask is not None:
        return _masked(pixels, mask)
    if alpha is None:
        raise InputError("--mask", "is missing", "name an image that is black where pixels are missing")
    known: np.ndarray = alpha == OPAQUE  # what is half transparent is half white here
    if not known.any():
        raise InputError(name, "has no opaque pixel, so nothing is known of it", "make opaque what is known")
    return known


def _masked(pixels: Pixels, mask: Any) -> Bool[np.ndarray, "h w"]:
    where = str(mask) if _is_path(mask) else "mask"
    values = _read(where, _written(mask), 1)[:, :, 0]
    if values.shape != pixels.shape[:2]:
        reason = f"has {_by(values.shape)} pixels, the image {_by(pixels.shape)}"
        raise InputError(where, reason, "give a mask of the image's size")
    known: np.ndarray = values >= MIDDLE
    if known.all():
        raise InputError(where, "covers no pixel, so there is nothing to fill in", "paint what is missing black")
    if not known.any():
        brightest = f"covers the whole image (its largest value is {values.max()}), so nothing is known of it"
        raise InputError(where, brightest, "paint what is known white (255)")
    return known


def _written(mask: Any) -> Any:
    """Return a mask as pictures are given: booleans as black and white, a tensor [h, w] with an axis of channels."""
    if isinstance(mask, torch.Tensor):
        mask = mask[None] if mask.ndim == PLANE else mask
        return mask.to(torch.uint8) * WHITE if mask.dtype == torch.bool else mask
    return mask.astype(np.uint8) * WHITE if isinstance(mask, np.ndarray) and mask.dtype == bool else mask


def _clean(pixels: Pixels, compare: Any, scale: int) -> UInt8[np.ndarray, "h2 w2 c"]:
    """Return the clean picture; InputError for another size than the restored one."""
    where = str(compare) if _is_path(compare) else "compare"
    clean = _read(where, compare, pixels.shape[2])
    expected = (pixels.shape[0] * scale, pixels.shape[1] * scale)
    if clean.shape[:2] != expected:
        reason = f"has {_by(clean.shape)} pixels, the restored image {_by(expected)}"
        raise InputError(where, reason, "give a clean image of that size")
    return clean


def _by(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
