"""JPEG files decoded by libjpeg-turbo straight into arrays: the same pixels as Pillow's, without its overhead."""

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
MARKS = (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/")  # metadata that may hold an orientation
SCALES = (8, 4, 2)
#: Warnings of libjpeg-turbo about files with all pixels intact: from some phones, or with odd headers.
HARMLESS = ("Invalid SOS parameters", "Unknown Adobe color transform", "Corrupt JPEG data: bad ICC", "Warning: ")
EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")

Pixels = UInt8[np.ndarray, "h w c"]
#: How stored pixels are transformed for display, by EXIF orientation.
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
    """A JPEG with damaged or missing pixels; holds the message of libjpeg-turbo."""


def decode_jpeg(
    content: bytes, at_least: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS
) -> Picture | None:
    """Decode a greyscale or colour JPEG, oriented for display; None for files left to Pillow to decode or refuse.

    With `at_least` (h, w), the pixels may be decoded at 1/2, 1/4 or 1/8 of the image's size, but at no less than three
    times `at_least`. Left to Pillow are CMYK files, those too small or too large, and those without a readable header.
    Damaged pixels, which Pillow would decode silently, raise DamagedError in either case.
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
    """Return the factor (1, 2, 4 or 8) by which the decoded size of an image of `size` (h, w) may be reduced.

    Each side keeps at least three times `at_least` pixels: resampling by 3 hides the difference.
    """
    if at_least is None:
        return 1
    room = min(size[0] // (3 * at_least[0]), size[1] // (3 * at_least[1]))
    return next((scale for scale in SCALES if scale <= room), 1)


def _decode(content: bytes, space: str, least: tuple[int, int]) -> Pixels | None:
    """Decode at the smallest scale of at least this size (h, w); None for an unsupported kind of JPEG."""

    def work(content: bytes, *, strict: bool) -> Pixels:
        # The DCT and chroma upsampling that Pillow uses: the fast ones of libjpeg-turbo give other pixels.
        fast = {"fastdct": False, "fastupsample": False}
        pixels: np.ndarray = simplejpeg.decode_jpeg(
            content, space, **fast, min_height=least[0], min_width=least[1], strict=strict
        )
        return pixels

    try:
        return work(content, strict=True)
    except ValueError as error:
        message = str(error)
    if message.startswith("Unsupported JPEG"):
        return None
    if message.startswith(HARMLESS):
        return work(content, strict=False)
    shorter = _without_zeros(content, message)
    if shorter is not None:
        with suppress(ValueError):
            return work(shorter, strict=True)
    raise DamagedError(f"truncated: {message}" if message.startswith("Premature end") else message)


def _without_zeros(content: bytes, message: str) -> bytes | None:
    """Return a file without the zeros before a marker, if these are the extraneous bytes of the message.

    Padding with zeros is no damage. Zeros that overwrite pixels are decoded as pixels: without them, some are missing.
    """
    match = EXTRANEOUS.search(message)
    marker = b"\xff" + bytes.fromhex(match[2]) if match is not None else b""
    start = content.find(bytes(int(match[1])) + marker) if match is not None else -1
    if match is None or start < 0:
        return None
    before = content[:start].rstrip(b"\0")
    return before + (b"\0" if before.endswith(b"\xff") else b"") + content[start + int(match[1]) :]


def _turn(pixels: Pixels, orientation: int) -> UInt8[np.ndarray, "shown_h shown_w c"]:
    """Apply an EXIF orientation to stored pixels."""
    if orientation not in TURNS:
        return pixels
    shown = TURNS[orientation](pixels)
    turned = np.empty(shown.shape, np.uint8)
    for channel in range(shown.shape[2]):  # five times as fast as copying three bytes per pixel
        turned[:, :, channel] = shown[:, :, channel]
    return turned


def _marked(content: bytes) -> bool:
    """Return whether one of MARKS occurs: before the pixels, or anywhere if the segments are malformed."""
    position = 2
    while content[position : position + 1] == b"\xff":
        if content.startswith(PIXELS, position):
            return False
        if content.startswith(MARKS, position + 4):
            return True
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    return any(marker in content for marker in MARKS)


def _orientation(content: bytes) -> int | None:
    """Return the orientation of the image (EXIF or XMP); None if it cannot be read."""
    try:
        with open_encoded(io.BytesIO(content)) as image:
            return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged metadata raise almost anything
        return None
