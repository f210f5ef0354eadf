"""Opening image files with Pillow."""

from __future__ import annotations

import io
from typing import IO

from PIL import Image, ImageFile, UnidentifiedImageError

from convworks.data.decode import heic
from convworks.data.decode.quiet import unlimited
from convworks.data.formats import FORMATS


class EmptyError(UnidentifiedImageError):
    """A file without a byte."""


def open_encoded(file: IO[bytes] | io.BytesIO) -> ImageFile.ImageFile:
    """Open an image file of a supported format, and read its header; raises UnidentifiedImageError for other files.

    Pillow detects the format from the content and knows many more formats, some of which it passes to other programs
    (PostScript to Ghostscript): these are never tried. HEIC needs pillow-heif, and raises HeicError without it.
    Pillow's limit on the number of pixels does not apply.
    """
    try:
        return _open(file, tuple(dict.fromkeys(FORMATS.values())))
    except (KeyError, UnidentifiedImageError):  # KeyError: Pillow was built without one of them
        if _is_empty(file):
            raise EmptyError("the file is empty") from None
        if not _is_heic(file):
            raise UnidentifiedImageError("cannot identify image file") from None
    if not heic.register_heif():
        raise heic.HeicError
    return _open(file, (heic.FORMAT,))


def _open(file: IO[bytes] | io.BytesIO, formats: tuple[str, ...]) -> ImageFile.ImageFile:
    """Open a file with any number of pixels; Pillow's limit is lifted only for images that exceed it."""
    try:
        return Image.open(file, formats=formats)
    except Image.DecompressionBombError:
        with unlimited():
            return Image.open(file, formats=formats)


def _is_empty(file: IO[bytes] | io.BytesIO) -> bool:
    """Return whether a file has no bytes, and rewind it."""
    if not file.seekable():
        return False
    length = file.seek(0, io.SEEK_END)
    file.seek(0)
    return length == 0


def _is_heic(file: IO[bytes] | io.BytesIO) -> bool:
    """Return whether a file begins like HEIC, and rewind it."""
    if not file.seekable():
        return False
    file.seek(0)
    head = file.read(heic.HEAD)
    file.seek(0)
    return heic.is_heic_content(head)
