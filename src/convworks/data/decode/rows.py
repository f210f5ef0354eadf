"""Images of any size, read some rows at a time: a .npy file, PNG, uncompressed TIFF and PPM are never held whole.

Other formats (JPEG, compressed or tiled TIFF, interlaced PNG, PNG of 16 bits or less than 8) are decoded whole.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image

from convworks.data.config import DECODING, Decoding
from convworks.data.decode import png
from convworks.data.decode.decode import convert, explained, read, to_array, to_channels
from convworks.data.decode.encoded import open_encoded
from convworks.data.formats import NUMPY
from convworks.errors import InputError
from convworks.files import open_regular

PNG_START = b"\x89PNG\r\n\x1a\n"
#: Values of a pixel in a PNG, by its type of colour: grey, RGB, palette, grey with alpha, RGBA.
PNG_VALUES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
#: Chunks that say what the values of a PNG mean.
PNG_COLOURS = (b"PLTE", b"tRNS")
PIECE = 1 << 20  # bytes of compressed data that are read at a time
SKIPPED = 256  # rows that are decoded at a time where none is asked for
UNCOMPRESSED = {"L": 1, "RGB": 3}

Pixels = UInt8[np.ndarray, "h w c"]


@dataclass(frozen=True)
class Rows:
    """An image [h, w, c] of uint8: `rows[first:end]` gives some of its rows.

    They are read from the top down: no later request begins above an earlier one.
    """

    shape: tuple[int, int, int]
    read: Callable[[int, int], Pixels]

    def __getitem__(self, rows: slice) -> Pixels:
        """Return rows `first` to `end`; steps other than 1 are not read."""
        first, end, step = rows.indices(self.shape[0])
        assert step == 1
        return self.read(first, end)


@contextmanager
def open_rows(path: Path, channels: int, decoding: Decoding = DECODING) -> Iterator[Rows]:
    """Open an image for reading row by row, as `read` gives its pixels; the limit of pixels is for what is held whole.

    Raises InputError for a file that is no image, or is damaged: for a PNG when its damaged rows are read.
    """
    with open_regular(path, buffering=PIECE) as file:
        yield _opened(path, file, channels) or _whole(path, channels, decoding)


def _opened(path: Path, file: IO[bytes], channels: int) -> Rows | None:
    """Return what gives the rows of a file; None if it has to be decoded whole."""
    if path.suffix.lower() == NUMPY:
        return _numpy(path, file, channels)
    start = file.read(len(PNG_START))
    file.seek(0)
    return _png(path, file, channels) if start == PNG_START else _raw(path, file, channels)


def _whole(path: Path, channels: int, decoding: Decoding) -> Rows:
    pixels = read(path, channels=channels, decoding=decoding).pixels
    height, width, depth = pixels.shape
    return Rows((height, width, depth), lambda first, end: pixels[first:end])


def _numpy(path: Path, file: IO[bytes], channels: int) -> Rows | None:
    """Return the rows of an uint8 array [h, w] or [h, w, c] in C order; None for what `read` refuses."""
    try:
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = read_header[version](file)
    except (ValueError, KeyError):
        return None
    if dtype != np.uint8 or fortran or len(shape) not in (2, 3) or 0 in shape:
        return None
    height, width, depth = (*shape, 1)[:3]
    return _stored(path, file, (height, width, depth), [(0, height, file.tell())], channels)


def _raw(path: Path, file: IO[bytes], channels: int) -> Rows | None:
    """Return the rows of an uncompressed TIFF or PPM, whose place in the file Pillow knows."""
    try:
        with open_encoded(file) as image:
            width, height = image.size
            mode, upright = image.mode, image.getexif().get(ExifTags.Base.Orientation, 1) == 1
            tiles = list(getattr(image, "tile", ()))
    except Exception:  # of a damaged file; `read` says what is wrong
        return None
    finally:
        file.seek(0)
    strips = []
    for tile in tiles:
        kind, (left, top, right, bottom), offset, arguments = tuple(tile)[:4]
        layout, stride, order = (*arguments, 0, 1)[:3] if isinstance(arguments, tuple) else (arguments, 0, 1)
        plain = kind == "raw" and layout == mode and stride in (0, width * UNCOMPRESSED.get(mode, 0)) and order == 1
        if not plain or mode not in UNCOMPRESSED or (left, right) != (0, width):
            return None
        strips.append((top, bottom, offset))
    strips.sort()
    ends = [strip[1] for strip in strips]
    if not upright or not strips or [strip[0] for strip in strips] != [0, *ends[:-1]] or ends[-1] != height:
        return None
    return _stored(path, file, (height, width, UNCOMPRESSED[mode]), strips, channels)


def _stored(
    path: Path, file: IO[bytes], shape: tuple[int, int, int], strips: list[tuple[int, int, int]], channels: int
) -> Rows:
    """Return rows that lie in the file as they are, in strips (first row, end, place in the file)."""
    _, width, depth = shape
    line = width * depth

    def rows(first: int, end: int) -> Pixels:
        parts = []
        for top, bottom, offset in strips:
            begin, stop = max(first, top), min(end, bottom)
            if begin < stop:
                file.seek(offset + (begin - top) * line)
                content = file.read((stop - begin) * line)
                if len(content) < (stop - begin) * line:
                    raise InputError(path, "is cut off", "repair or remove it")
                parts.append(np.frombuffer(content, np.uint8))
        return to_channels(path, np.concatenate(parts).reshape(-1, width, depth), channels)

    return Rows((shape[0], width, channels), rows)


class _Header(NamedTuple):
    """What the first chunk of a PNG says."""

    width: int
    height: int
    bits: int
    colour: int
    compression: int
    filters: int
    interlaced: int


def _png(path: Path, file: IO[bytes], channels: int) -> Rows | None:
    """Return the rows of a PNG; None if they are interlaced, turned, or not of 8 bits."""
    try:
        with open_encoded(file) as image:
            upright = png.exif(image, file).get(ExifTags.Base.Orientation, 1) == 1
    except Exception:  # of a damaged file; `read` says what is wrong
        return None
    finally:
        file.seek(0)
    file.seek(len(PNG_START) + 8)
    header = _Header(*struct.unpack(">IIBBBBB", file.read(13)))
    if header.bits != 8 or header.interlaced or header.colour not in PNG_VALUES or not upright:
        return None
    file.seek(len(PNG_START))
    stream = _PngStream(path, file, header, channels)
    return Rows((header.height, header.width, channels), stream.rows)


class _PngStream:
    """The rows of a PNG, decompressed from the top down; those of the last request are kept.

    Pillow decodes some rows as an image of their own, before which stands the row that their filters refer to.
    """

    def __init__(self, path: Path, file: IO[bytes], header: _Header, channels: int) -> None:
        self.path = path
        self.header = header
        self.channels = channels
        self.colours: list[tuple[bytes, bytes]] = []
        self.pieces = self._compressed(file)
        self.inflate = zlib.decompressobj()
        self.waiting = b""
        self.line = header.width * PNG_VALUES[header.colour]
        self.above = b"\0" * self.line
        self.first = 0  # of the rows that are kept
        self.kept: Pixels = np.empty((0, header.width, channels), np.uint8)

    def rows(self, first: int, end: int) -> Pixels:
        """Return some rows, of which none lies above those of the last request."""
        assert first >= self.first
        kept, position = self.kept[first - self.first :], self.first + len(self.kept)
        while position < first:  # what lies above is decoded and dropped
            position += len(self._decoded(min(first - position, SKIPPED)))
        if position < end:
            kept = np.concatenate([kept, self._decoded(end - position)])
        self.first, self.kept = first, kept
        return kept[: end - first]

    def _decoded(self, count: int) -> Pixels:
        """Decode the next rows."""
        filtered = self._decompressed(count * (self.line + 1))
        head = struct.pack(">IIBBBBB", *self.header._replace(height=count + 1))
        content = zlib.compress(b"\0" + self.above + filtered, 0)
        chunks = [(b"IHDR", head), *self.colours, (b"IDAT", content), (b"IEND", b"")]
        whole = io.BytesIO(PNG_START + b"".join(chunk(kind, value) for kind, value in chunks))
        with explained(self.path), Image.open(whole) as image:
            decoded = png.loaded(image)
            # What is decoded is what the file holds, except that a transparent colour may have become alpha.
            self.above = np.asarray(image).tobytes()[-self.line :]
            return to_array(convert(decoded, self.channels))[1:]

    def _decompressed(self, size: int) -> bytes:
        """Return the next bytes of the decompressed stream."""
        parts, missing = [], size
        while missing:
            with explained(self.path):
                part = self.inflate.decompress(self.inflate.unconsumed_tail or next(self.pieces, b""), missing)
            if not part and not self.inflate.unconsumed_tail and self._ended:
                raise InputError(self.path, "is cut off", "repair or remove it")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    _ended = False

    def _compressed(self, file: IO[bytes]) -> Iterator[bytes]:
        """Yield the compressed pixels, and note the colours before them."""
        while len(start := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", start)
            if kind in PNG_COLOURS:
                self.colours.append((kind, file.read(size)))
            elif kind == b"IDAT":
                for done in range(0, size, PIECE):
                    yield file.read(min(PIECE, size - done))
            else:
                file.seek(size, io.SEEK_CUR)
            file.seek(4, io.SEEK_CUR)
        self._ended = True


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG: length, kind, content, checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
