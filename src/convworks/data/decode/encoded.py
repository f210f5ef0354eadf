"""The one way in which Pillow opens an image file."""

from __future__ import annotations

import io
from typing import IO

from PIL import Image, ImageFile, UnidentifiedImageError

from convworks.data.decode import heic
from convworks.data.decode.quiet import unlimited
from convworks.data.formats import FORMATS


def open_encoded(file: IO[bytes] | io.BytesIO) -> ImageFile.ImageFile:
    """Open an image file of one of the listed formats, and read its header; all else raises UnidentifiedImageError.

    Pillow knows many more, and goes by the content, whatever a file is called. Some it hands to other programs
    (PostScript to Ghostscript): none of them is ever tried. HEIC is opened where pillow-heif is installed; else that is
    a HeicError. How many pixels one may have is not for Pillow to say.
    """
    try:
        return _open(file, tuple(dict.fromkeys(FORMATS.values())))
    except (KeyError, UnidentifiedImageError):  # KeyError: a Pillow that was built without one of them
        if not _is_heic(file):
            raise UnidentifiedImageError("cannot identify image file") from None
    if not heic.teach_pillow():
        raise heic.HeicError
    return _open(file, (heic.FORMAT,))


def _open(file: IO[bytes] | io.BytesIO, formats: tuple[str, ...]) -> ImageFile.ImageFile:
    """Open a file whatever number of pixels it has; Pillow's limit is switched off only for those that exceed it."""
    try:
        return Image.open(file, formats=formats)
    except Image.DecompressionBombError:
        with unlimited():
            return Image.open(file, formats=formats)


def _is_heic(file: IO[bytes] | io.BytesIO) -> bool:
    """Say whether a file begins like HEIC, and go back to its beginning."""
    if not file.seekable():
        return False
    file.seek(0)
    head = file.read(heic.HEAD)
    file.seek(0)
    return heic.is_heic_content(head)
