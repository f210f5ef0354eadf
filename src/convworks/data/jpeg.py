"""JPEG files by libjpeg-turbo, straight to arrays: the pixels are Pillow's, without what Pillow does around them."""

from __future__ import annotations

import io

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import ExifTags, Image

START, PIXELS = b"\xff\xd8\xff", b"\xff\xda"
SPACES = {"Gray": "GRAY", "YCbCr": "RGB", "RGB": "RGB"}
MARKS = (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/")  # what follows may say that the image is to be turned
SCALES = (8, 4, 2)


def decode_jpeg(content: bytes, at_least: tuple[int, int] | None = None) -> UInt8[np.ndarray, "h w c"] | None:
    """Return the pixels of a JPEG in grey or colour as stored; None for what Pillow has to decode, or to refuse.

    With `at_least` (h, w) the image may come at 1/2, 1/4 or 1/8 of its size, but not below three times that. Pillow
    gets whatever is turned, CMYK, damaged in the least, too small or too large: one judge for all odd files.
    """
    if not content.startswith(START):
        return None
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    largest = Image.MAX_IMAGE_PIXELS
    if space not in SPACES or min(height, width) < 2 or (largest is not None and height * width > largest):
        return None
    if _marked(content) and _turned(content):
        return None
    scale = scale_of((height, width), at_least)
    try:
        pixels: np.ndarray = simplejpeg.decode_jpeg(
            content,
            SPACES[space],
            # Pillow's transform and interpolation of colours: the fast ones of libjpeg-turbo give other pixels.
            fastdct=False,
            fastupsample=False,
            min_height=-(-height // scale),
            min_width=-(-width // scale),
        )
    except ValueError:
        return None
    return pixels


def scale_of(size: tuple[int, int], at_least: tuple[int, int] | None) -> int:
    """Return how many times smaller an image of `size` (h, w) may be decoded: 1, 2, 4 or 8.

    What is left has three times `at_least` pixels or more along each side: resampling by 3 hides the difference.
    """
    if at_least is None:
        return 1
    room = min(size[0] // (3 * at_least[0]), size[1] // (3 * at_least[1]))
    return next((scale for scale in SCALES if scale <= room), 1)


def _marked(content: bytes) -> bool:
    """Tell whether one of the marks is there: before the pixels, or anywhere where that part is in disorder."""
    place = 2
    while content[place : place + 1] == b"\xff":
        if content.startswith(PIXELS, place):
            return False
        if content.startswith(MARKS, place + 4):
            return True
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return any(mark in content for mark in MARKS)


def _turned(content: bytes) -> bool:
    """Tell whether the image is shown otherwise than stored, or cannot be known to be shown as stored."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return bool(image.getexif().get(ExifTags.Base.Orientation, 1) != 1)
    except Exception:  # damaged metadata raise nearly anything
        return True
