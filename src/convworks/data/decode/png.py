"""PNG files that Pillow reads wrongly or slowly: a transparent colour, and metadata after the pixels."""

from __future__ import annotations

import io
from typing import IO

import numpy as np
from jaxtyping import UInt16
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

#: Pillow scales greyscale of 2 and 4 bits to 0..255, but leaves the transparent value as stored.
SPREAD = {"L;2": 85, "L;4": 17}
#: Of 16 bits per colour, Pillow keeps the high byte; with the byte order reversed, it keeps the low byte.
DEEP, LAST = "RGB;16B", "RGB;16L"
START, EXIF = 8, b"eXIf"


def loaded(image: Image.Image) -> Image.Image:
    """Load the pixels of an opened image, and return it, or a corrected copy if Pillow reads it wrongly."""
    colour, tiles = image.info.get("transparency"), getattr(image, "tile", ())
    if image.format != "PNG" or colour is None or not tiles:
        image.load()
        return image
    layout = tiles[0].args
    last = _last_bits(image) if layout == DEEP else None
    image.load()
    if layout in SPREAD:
        image = image.copy()
        image.info["transparency"] = colour * SPREAD[layout]
    if last is not None:
        image = image.copy()
        values = np.asarray(image).astype(np.uint16) << 8 | last
        opaque = (values != np.array(colour, np.uint16)).any(2)
        image.putalpha(Image.fromarray(np.where(opaque, 255, 0).astype(np.uint8)))
        image.info.pop("transparency", None)
    return image


def exif(image: Image.Image, file: IO[bytes] | io.BytesIO) -> Image.Exif:
    """Return the EXIF metadata of an opened PNG; Pillow would decode the image to find any after the pixels."""
    metadata = Image.Image.getexif(image)
    position = file.tell()
    file.seek(START)
    while not metadata and len(head := file.read(8)) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] == EXIF:
            metadata.load(b"Exif\0\0" + file.read(length))
        file.seek(length + 4, 1)
    file.seek(position)
    return metadata


def _last_bits(image: Image.Image) -> UInt16[np.ndarray, "h w 3"]:
    """Return the low byte of every value of a PNG with 16 bits per colour, which is opened but not loaded yet."""
    file = image.fp  # type: ignore[attr-defined]
    position = file.tell()
    file.seek(0)
    with PngImageFile(file) as reordered:
        reordered.tile = [tile._replace(args=LAST) for tile in reordered.tile]
        values = np.asarray(reordered).astype(np.uint16)
    file.seek(position)
    return values
