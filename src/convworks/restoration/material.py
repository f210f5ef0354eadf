"""What a restoration starts from: the picture, which of its pixels are known, and the truth if there is one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from convworks.data.config import Decoding
from convworks.data.decode.any_image import read_image
from convworks.data.decode.decode import probe, to_image
from convworks.errors import InputError
from convworks.files import path_of
from convworks.restoration.request import Request

Pixels = UInt8[np.ndarray, "h w c"]
#: Larger pictures are refused: they are reduced to what a budget allows, but decoded first.
DECODING = Decoding(max_pixels=250_000_000)
OPAQUE = 255
MIDDLE = 128  # of a mask: darker pixels are missing
WITHOUT_ALPHA = ("1", "L", "RGB", "CMYK", "YCbCr", "uint8")  # modes; the last of .npy files of fewer than 4 channels


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

    def reduced(self, size: tuple[int, int], scale: int) -> Material:
        """Return the same at a smaller size, in pixels of the observation."""
        if size == self.size:
            return self
        known, restored = self.known, (size[0] * scale, size[1] * scale)
        if known is not None:  # a pixel is known only if all of what it stands for is
            known = resized((known * 255).astype(np.uint8)[:, :, None], size)[:, :, 0] == OPAQUE
        return replace(
            self,
            pixels=resized(self.pixels, size),
            known=known,
            clean=None if self.clean is None else resized(self.clean, restored),
        )

    def enlarged(self, scale: int) -> UInt8[np.ndarray, "h2 w2 c"]:
        """Return the picture before: missing pixels black, enlarged to the restored size by bicubic interpolation."""
        pixels = self.pixels if self.known is None else self.pixels * self.known[:, :, None]
        return pixels if scale == 1 else resized(pixels, (self.size[0] * scale, self.size[1] * scale))


def read_material(name: str, image: Any, request: Request, *, mask: Any = None, compare: Any = None) -> Material:
    """Read a picture in any form, with its mask and the clean picture; InputError for what does not fit together."""
    pixels = read_image(name, image, channels=None, decoding=DECODING).pixels
    if pixels.shape[2] not in (1, 3, 4):
        raise InputError(name, f"has {pixels.shape[2]} channels", "give a grey image (1) or colours (3)")
    header = probe(path_of(image), max_pixels=DECODING.max_pixels) if _is_path(image) else None
    opaque = header is not None and header.mode in WITHOUT_ALPHA and pixels.shape[2] != 4
    alpha = None if opaque else _alpha(name, image)
    if pixels.shape[2] == 4:
        pixels = read_image(name, image, channels=3, decoding=DECODING).pixels
    notes = []
    if header is not None and header.several_frames:
        notes.append("has several frames or pages: only the first is restored")
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


def _alpha(name: str, image: Any) -> UInt8[np.ndarray, "h w"] | None:
    """Return how opaque each pixel is; None if all of them are entirely."""
    alpha = read_image(name, image, channels=4, decoding=DECODING).pixels[:, :, 3]
    return alpha if bool((alpha < OPAQUE).any()) else None


def _is_path(image: Any) -> bool:
    return isinstance(image, str | PathLike)


def _known(name: str, pixels: Pixels, alpha: UInt8[np.ndarray, "h w"] | None, mask: Any) -> Bool[np.ndarray, "h w"]:
    """Return which pixels are known: those that are not black in the mask; without one, those that are opaque."""
    if mask is None and alpha is None:
        raise InputError("--mask", "is missing", "name an image that is black where pixels are missing")
    if mask is None:
        where, known = name, np.asarray(alpha) >= MIDDLE
    else:
        where = str(mask) if _is_path(mask) else "mask"
        values = read_image(where, mask, channels=1, decoding=DECODING).pixels[:, :, 0]
        if values.shape != pixels.shape[:2]:
            reason = f"has {_by(values.shape)} pixels, the image {_by(pixels.shape)}"
            raise InputError(where, reason, "give a mask of the image's size")
        known = values >= MIDDLE
    if known.all():
        raise InputError(where, "covers no pixel, so there is nothing to fill in", "paint what is missing black")
    if not known.any():
        raise InputError(where, "covers the whole image, so nothing is known of it", "paint what is known white")
    return known


def _clean(pixels: Pixels, compare: Any, scale: int) -> UInt8[np.ndarray, "h2 w2 c"]:
    """Return the clean picture; InputError for another size than the restored one."""
    where = str(compare) if _is_path(compare) else "compare"
    clean = read_image(where, compare, channels=pixels.shape[2], decoding=DECODING).pixels
    expected = (pixels.shape[0] * scale, pixels.shape[1] * scale)
    if clean.shape[:2] != expected:
        reason = f"has {_by(clean.shape)} pixels, the restored image {_by(expected)}"
        raise InputError(where, reason, "give a clean image of that size")
    return clean


def _by(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
