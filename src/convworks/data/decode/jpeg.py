"""JPEG files by libjpeg-turbo, straight to arrays: the pixels are Pillow's, without what Pillow does around them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import ExifTags

from convworks.data.config import MAX_PIXELS
from convworks.data.decode.encoded import open_encoded
from convworks.data.decode.picture import Picture

START, PIXELS = b"\xff\xd8\xff", b"\xff\xda"
SPACES = {"Gray": "GRAY", "YCbCr": "RGB", "RGB": "RGB", "CMYK": "CMYK", "YCCK": "CMYK"}
MARKS = (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/")  # what follows may say that the image is to be turned
SCALES = (8, 4, 2)
#: What libjpeg-turbo says of files whose pixels are all there: of some telephones', and of odd headers.
HARMLESS = ("Invalid SOS parameters", "Unknown Adobe color transform", "Corrupt JPEG data: bad ICC", "Warning: ")
EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")

Pixels = UInt8[np.ndarray, "h w c"]
#: What each EXIF orientation does to the stored pixels, to show them.
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels),
}
SIDEWAYS = (5, 6, 7, 8)


class DamagedError(ValueError):
    """A JPEG whose pixels are not all there; says what libjpeg-turbo says of it."""


def decode_jpeg(
    content: bytes, at_least: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS
) -> Picture | None:
    """Return a JPEG in grey or colour, as it is shown; None for what Pillow has to decode, or to refuse.

    With `at_least` (h, w) the pixels may come at 1/2, 1/4 or 1/8 of the image's size, but not below three times that.
    Pillow gets what is CMYK, too small or too large, or has no header that can be read. It would decode what is damaged
    among the pixels without a word: that raises DamagedError, whoever decodes the file.
    """
    if not content.startswith(START):
        return None
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    if space not in SPACES or min(height, width) < 2 or height * width > max_pixels:
        return None
    orientation = _orientation(content) if _marked(content) else 1
    if orientation is None or SPACES[space] == "CMYK":
        _decode(content, SPACES[space], (-(-height // 8), -(-width // 8)))
        return None
    sideways = orientation in SIDEWAYS
    scale = scale_of((height, width), at_least[::-1] if sideways and at_least is not None else at_least)
    pixels = _decode(content, SPACES[space], (-(-height // scale), -(-width // scale)))
    if pixels is None:
        return None
    return Picture(_turn(pixels, orientation), (width, height) if sideways else (height, width))


def scale_of(size: tuple[int, int], at_least: tuple[int, int] | None) -> int:
    """Return how many times smaller an image of `size` (h, w) may be decoded: 1, 2, 4 or 8.

    What is left has three times `at_least` pixels or more along each side: resampling by 3 hides the difference.
    """
    if at_least is None:
        return 1
    room = min(size[0] // (3 * at_least[0]), size[1] // (3 * at_least[1]))
    return next((scale for scale in SCALES if scale <= room), 1)


def _decode(content: bytes, space: str, least: tuple[int, int]) -> Pixels | None:
    """Decode to at least this size (h, w), as small as possible; None for a kind of JPEG that is not known here."""

    def work(content: bytes, *, strict: bool) -> Pixels:
        # Pillow's transform and interpolation of colours: the fast ones of libjpeg-turbo give other pixels.
        fast = {"fastdct": False, "fastupsample": False}
        pixels: np.ndarray = simplejpeg.decode_jpeg(
            content, space, **fast, min_height=least[0], min_width=least[1], strict=strict
        )
        return pixels

    try:
        return work(content, strict=True)
    except ValueError as error:
        words = str(error)
    if words.startswith("Unsupported JPEG"):
        return None
    if words.startswith(HARMLESS):
        return work(content, strict=False)
    shorter = _without_zeros(content, words)
    if shorter is not None:
        with suppress(ValueError):
            return work(shorter, strict=True)
    raise DamagedError(f"truncated: {words}" if words.startswith("Premature end") else words)


def _without_zeros(content: bytes, words: str) -> bytes | None:
    """Return a file without the zeros before a marker, where they are what is said to be too much.

    Zeros that fill a file up are no damage. Those that stand where pixels were are read as pixels: without them, some
    are missing.
    """
    extra = EXTRANEOUS.search(words)
    marker = b"\xff" + bytes.fromhex(extra[2]) if extra is not None else b""
    place = content.find(bytes(int(extra[1])) + marker) if extra is not None else -1
    if extra is None or place < 0:
        return None
    before = content[:place].rstrip(b"\0")
    return before + (b"\0" if before.endswith(b"\xff") else b"") + content[place + int(extra[1]) :]


def _turn(pixels: Pixels, orientation: int) -> UInt8[np.ndarray, "shown_h shown_w c"]:
    """Turn stored pixels as they are to be shown."""
    if orientation not in TURNS:
        return pixels
    shown = TURNS[orientation](pixels)
    turned = np.empty(shown.shape, np.uint8)
    for channel in range(shown.shape[2]):  # five times as fast as copying three bytes a pixel
        turned[:, :, channel] = shown[:, :, channel]
    return turned


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


def _orientation(content: bytes) -> int | None:
    """Return how the image is to be turned to be shown (EXIF, or XMP); None where that cannot be read."""
    try:
        with open_encoded(io.BytesIO(content)) as image:
            return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged metadata raise nearly anything
        return None
