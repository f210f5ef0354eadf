"""HEIC, the format of phone cameras, through pillow-heif if it is installed."""

from __future__ import annotations

from functools import cache

from PIL import UnidentifiedImageError

from convworks.data.formats import HEIC_EXTRA

#: A file begins with a length, `ftyp`, and one of these HEVC brands. Pillow itself reads those of AVIF.
BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
HEAD = 12  # bytes that identify the format
FORMAT = "HEIF"  # Pillow's name for it


class HeicError(UnidentifiedImageError):
    """The image is HEIC, and pillow-heif is not installed."""

    def __init__(self) -> None:
        super().__init__(f"is HEIC, which needs pillow-heif ({HEIC_EXTRA})")


def is_heic_content(head: bytes) -> bool:
    """Return whether a file begins like HEIC, whatever its name."""
    return head[4:8] == b"ftyp" and head[8:HEAD] in BRANDS


@cache
def register_heif() -> bool:
    """Enable Pillow to open HEIC; False if pillow-heif is not installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True
