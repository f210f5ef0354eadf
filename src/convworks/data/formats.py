"""Supported image files, by the suffix of their names."""

from __future__ import annotations

NUMPY = ".npy"
#: Pillow's name of the format of each suffix.
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
#: Images that only pillow-heif reads.
HEIC = (".heic", ".heif", ".hif")
HEIC_EXTRA = "pip install 'convworks[heic]'"
