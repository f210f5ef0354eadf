"""PNG files where Pillow is mistaken or slow: one transparent colour, and metadata that follow the pixels."""

from __future__ import annotations

import io
from typing import IO

import numpy as np
from jaxtyping import UInt16
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

#: Pillow spreads grey of 2 and 4 bits over 0..255, but leaves the transparent value as the file has it.
SPREAD = {"L;2": 85, "L;4": 17}
#: Of 16 bits a colour, Pillow keeps the first 8; read as if their order were the other, it keeps the last 8.
DEEP, LAST = "RGB;16B", "RGB;16L"
START, EXIF = 8, b"eXIf"


def loaded(image: Image.Image) -> Image.Image:
    """Read the pixels of an opened image, PNG or other, and return it, or where Pillow is mistaken a right copy."""
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
    """Return the metadata of an opened PNG; Pillow would decode the image to see whether some follow the pixels."""
    found = Image.Image.getexif(image)
    place = file.tell()
    file.seek(START)
    while not found and len(head := file.read(8)) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] == EXIF:
            found.load(b"Exif\0\0" + file.read(length))
        file.seek(length + 4, 1)
    file.seek(place)
    return found


def _last_bits(image: Image.Image) -> UInt16[np.ndarray, "h w 3"]:
    """Return the last 8 bits of every value of a PNG with 16 bits a colour, which is opened but not read yet."""
    file = image.fp  # type: ignore[attr-defined]
    place = file.tell()
    file.seek(0)
    with PngImageFile(file) as other:
        other.tile = [tile._replace(args=LAST) for tile in other.tile]
        values = np.asarray(other).astype(np.uint16)
    file.seek(place)
    return values
