"""Decoding masks: images whose pixels are numbers of classes, not colours."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from convworks.data.config import DECODING, Decoding
from convworks.data.decode.decode import check_size, explained, read_numpy
from convworks.data.decode.encoded import open_encoded
from convworks.data.decode.png import SPREAD
from convworks.errors import InputError

REMEDY = "save the number of each pixel's class as a greyscale or palette PNG"
LARGEST = 255


def read_numbers(
    where: object, content: bytes, *, numpy: bool, decoding: Decoding = DECODING
) -> UInt8[np.ndarray, "h w 1"]:
    """Read the bytes of a mask: grey values and palette indices as they are stored, with EXIF orientation applied.

    `numpy` says that it is a .npy file; `where` is its name in errors. Raises InputError for colours, numbers above
    255, and JPEG, whose compression changes numbers.
    """
    if numpy:
        array = read_numpy(where, content)
        if array.shape[2] != 1:
            raise InputError(where, f"has {array.shape[2]} channels, a mask has 1", REMEDY)
        return array
    with explained(where), io.BytesIO(content) as file, open_encoded(file) as image:
        check_size(where, *image.size, decoding.max_pixels)
        if image.format == "JPEG":
            raise InputError(where, "is a JPEG, whose compression changes the numbers of a mask", REMEDY)
        layout = image.tile[0].args if image.format == "PNG" and image.tile else None
        numbers = _numbers(where, ImageOps.exif_transpose(image))
        return (numbers // SPREAD.get(str(layout), 1))[:, :, None]


def _numbers(where: object, image: Image.Image) -> UInt8[np.ndarray, "h w"]:
    if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
        raise InputError(where, f"has colours (mode {image.mode}), a mask has numbers of classes", REMEDY)
    values = np.asarray(image)
    if image.mode.startswith("I") and not 0 <= values.min() <= values.max() <= LARGEST:
        reason = f"has numbers from {values.min()} to {values.max()}, a mask has 0 to {LARGEST}"
        raise InputError(where, reason, "number the classes so")
    return values.astype(np.uint8)
