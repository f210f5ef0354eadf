"""Decoding one image or several from any Python object that holds them."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from convworks.data.config import DECODING, Decoding
from convworks.data.decode.decode import NUMPY_START, read, read_array, read_content, read_pillow
from convworks.data.decode.picture import Picture
from convworks.errors import InputError
from convworks.files import path_of

#: A path, the bytes of a file, a Pillow image, an array [h, w] or [h, w, c], a tensor [c, h, w].
OneImage = str | os.PathLike[str] | bytes | Image.Image | np.ndarray | torch.Tensor
KINDS = "give a path, the bytes of a file, a Pillow image, a uint8 array [h, w] or [h, w, c], or a tensor [c, h, w]"
#: The remedy for an array of floating-point numbers: what black and white are is not known.
FLOATS = "for values from 0 to 1, give (255 * array).round().astype(numpy.uint8)"
DIMENSIONS = 3  # of an image; arrays and tensors with one more are batches
TEXTS = "OU"  # dtype kinds of arrays that hold paths or images, as a list does


class Images(NamedTuple):
    """Images as passed by the caller, their names in errors, and whether the argument was a single image."""

    images: list[Any]
    names: list[str]
    alone: bool


def list_images(images: object) -> Images:
    """List the images in an argument: an array or tensor of four dimensions is a batch, one with fewer an image.

    Raises InputError for anything else.
    """
    if _is_one(images):
        return Images([images], [_name(images, "image")], True)
    try:
        listed = list(images)  # type: ignore[call-overload]
    except TypeError:
        raise InputError("images", f"{type(images).__name__} is not an image or a list of images", KINDS) from None
    return Images(listed, [_name(image, f"images[{index}]") for index, image in enumerate(listed)], False)


def read_image(
    where: object,
    image: object,
    *,
    channels: int | None,
    at_least: tuple[int, int] | None = None,
    decoding: Decoding = DECODING,
) -> Picture:
    """Decode an image of any supported type, as `read` does for a file.

    The same pixels give the same result in every form, except that a large JPEG given by its path or bytes is decoded
    at a fraction of its size, which changes pixels by 0.1 grey levels on average (docs/decisions/0008).

    Arrays hold uint8; tensors uint8, or floats from 0 to 1; a fourth channel is alpha. `where` is the name of the image
    in errors. Raises InputError for anything that is not an image, or has no pixels.
    """
    if isinstance(image, str | os.PathLike):
        return read(path_of(os.fsdecode(image)), channels=channels, at_least=at_least, decoding=decoding)
    if isinstance(image, bytes | bytearray | memoryview):
        content = bytes(image)
        numpy = content.startswith(NUMPY_START)
        return read_content(where, content, numpy=numpy, channels=channels, at_least=at_least, decoding=decoding)
    if isinstance(image, Image.Image):
        return read_pillow(where, image, channels=channels, decoding=decoding)
    if isinstance(image, torch.Tensor):
        _refuse_channels_last(where, image, channels)
        return read_array(where, _from_tensor(where, image), channels=channels)
    return read_array(where, _from_array(where, image), channels=channels)


def _is_one(images: object) -> bool:
    if isinstance(images, np.ndarray):
        return images.ndim <= DIMENSIONS and images.dtype.kind not in TEXTS
    if isinstance(images, torch.Tensor):
        return images.ndim <= DIMENSIONS
    return isinstance(images, str | os.PathLike | bytes | bytearray | memoryview | Image.Image)


def _name(image: object, default: str) -> str:
    return os.fsdecode(image) if isinstance(image, str | os.PathLike) else default


def _from_array(where: object, image: object) -> UInt8[np.ndarray, "h w c"]:
    if isinstance(image, np.ma.MaskedArray):
        raise InputError(where, "is a masked array", "fill it in: array.filled(0)")
    try:
        array = np.asarray(image)
    except Exception:  # a foreign class may raise anything
        array = np.asarray(None)
    if array.dtype.kind in TEXTS:
        raise InputError(where, f"{type(image).__name__} is not an image", KINDS)
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        remedy = FLOATS if array.dtype.kind == "f" else KINDS
        raise InputError(where, f"an array of {array.dtype} {array.shape} is not an image", remedy)
    _check_pixels(where, array.shape)
    return array.reshape(*array.shape[:2], -1)


def _refuse_channels_last(where: object, image: torch.Tensor, channels: int | None) -> None:
    """Name the order of the axes to whoever gives a tensor as arrays are ordered."""
    shape = tuple(image.shape)
    if len(shape) == DIMENSIONS and shape[0] not in (1, 3, 4, channels) and shape[2] == channels:
        raise InputError(where, f"a tensor of {shape} has its channels last", "give [c, h, w]: tensor.permute(2, 0, 1)")


def _from_tensor(where: object, image: torch.Tensor) -> UInt8[np.ndarray, "h w c"]:
    description = f"a tensor of {str(image.dtype).removeprefix('torch.')} {tuple(image.shape)}"
    if image.ndim != DIMENSIONS or not (image.dtype == torch.uint8 or image.is_floating_point()):
        raise InputError(where, f"{description} is not an image", "give uint8, or floats from 0 to 1, [c, h, w]")
    _check_pixels(where, tuple(image.shape))
    pixels = image.detach().cpu().permute(1, 2, 0)
    if image.is_floating_point():
        values = pixels.double()
        if not bool(((values >= 0) & (values <= 1)).all()):  # such that NaN fails too
            reason = (
                f"{description} has values from {float(values.min()):.4g} to {float(values.max()):.4g}, outside 0..1"
            )
            raise InputError(where, reason, "divide by 255; do not normalise, the predictor does")
        pixels = (values * 255).round().to(torch.uint8)
    array: np.ndarray = pixels.numpy()
    return array


def _check_pixels(where: object, shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise InputError(where, f"{'x'.join(map(str, shape))} has no pixels", "give a non-empty image")
