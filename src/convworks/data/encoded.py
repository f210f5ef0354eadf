"""The one way in which Pillow opens an image file."""

from __future__ import annotations

import io
from typing import IO

from PIL import Image, ImageFile, UnidentifiedImageError

from convworks.data.formats import FORMATS
from convworks.data.quiet import unlimited


def open_encoded(file: IO[bytes] | io.BytesIO) -> ImageFile.ImageFile:
    """Open an image file of one of the listed formats, and read its header; all else raises UnidentifiedImageError.

    Pillow knows many more, and goes by the content, whatever a file is called. Some it hands to other programs
    (PostScript to Ghostscript): none of them is ever tried. How many pixels one may have is not for Pillow to say.
    """
    formats = tuple(dict.fromkeys(FORMATS.values()))
    try:
        try:
            return Image.open(file, formats=formats)
        except Image.DecompressionBombError:
            with unlimited():
                return Image.open(file, formats=formats)
    except KeyError:  # a Pillow that was built without one of them
        raise UnidentifiedImageError("cannot identify image file") from None
