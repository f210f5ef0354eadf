"""Which image files are read, by the endings of their names, and the one way in which Pillow opens them."""

from __future__ import annotations

import io

from PIL import Image, ImageFile, UnidentifiedImageError

NUMPY = ".npy"
#: What Pillow calls the format behind each ending. It knows many more, and goes by the content: some hand a file to
#: other programs (PostScript to Ghostscript), whatever it is called, so these alone are ever tried.
FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jfif"), "JPEG"),
    ".png": "PNG",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".webp": "WEBP",
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
    ".jp2": "JPEG2000",
    ".avif": "AVIF",
}
SUFFIXES = (*FORMATS, NUMPY)


def open_encoded(file: io.BufferedReader | io.FileIO | io.BytesIO) -> ImageFile.ImageFile:
    """Open an image file of one of these formats with Pillow, which reads its header; all else is unidentified."""
    try:
        return Image.open(file, formats=tuple(dict.fromkeys(FORMATS.values())))
    except KeyError:  # a Pillow that was built without one of them
        raise UnidentifiedImageError("cannot identify image file") from None
