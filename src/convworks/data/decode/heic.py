"""HEIC, the format of telephones' cameras, by pillow-heif where it is installed."""

from __future__ import annotations

from functools import cache

from PIL import UnidentifiedImageError

from convworks.data.formats import HEIC_EXTRA

#: How a file begins: a length, `ftyp`, and one of the brands of HEVC images. Those of AVIF are Pillow's own.
BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
HEAD = 12  # bytes that say what a file is
FORMAT = "HEIF"  # what Pillow calls it


class HeicError(UnidentifiedImageError):
    """An image is HEIC, and pillow-heif is not installed."""

    def __init__(self) -> None:
        super().__init__(f"is HEIC, which needs pillow-heif ({HEIC_EXTRA})")


def is_heic_content(head: bytes) -> bool:
    """Say whether a file begins like HEIC, whatever its name says."""
    return head[4:8] == b"ftyp" and head[8:HEAD] in BRANDS


@cache
def teach_pillow() -> bool:
    """Make Pillow able to open HEIC; False where pillow-heif is not installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True
