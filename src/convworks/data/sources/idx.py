"""IDX files, the format of MNIST: magic number, dimensions, bytes; plain or gzipped."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from convworks.data.column import COLOURS, Arrays
from convworks.data.source import Source, Split, number_names
from convworks.errors import InputError
from convworks.files import is_there, read_bytes

PREFIXES = {"train": "train", "test": "t10k"}
UNSIGNED_BYTE = 0x08
GZIP = b"\x1f\x8b"


def recognise(folder: Path) -> bool:
    """Return whether the folder holds IDX images under their usual names."""
    return any(_find(folder, split, "images") for split in PREFIXES)


def open_folder(folder: Path, *, name: str | None = None, classes: tuple[str, ...] | None = None) -> Source:
    """Open the splits of a folder; `classes` defaults to the labels that occur."""
    pairs = {}
    for split in PREFIXES:
        images, labels = _find(folder, split, "images"), _find(folder, split, "labels")
        if images is None and labels is None:
            continue
        if images is None or labels is None:
            missing = f"{PREFIXES[split]}-{'images-idx3' if images is None else 'labels-idx1'}-ubyte[.gz]"
            raise InputError(folder / missing, "is missing; its counterpart is there", "add it")
        pairs[split] = (*read_pair(images, labels), labels)
    first, classes = (0, classes) if classes else _classes([(labels, path) for _, labels, path in pairs.values()])
    splits = {}
    for split, (arrays, values, path) in pairs.items():
        outside = values[(values < first) | (values >= first + len(classes))]
        if len(outside):
            reason = f"has label {outside[0]}, outside {first}..{first + len(classes) - 1}"
            raise InputError(path, reason, "the file is damaged: fetch it again")
        splits[split] = Split(
            names=number_names(split, len(values)), inputs=Arrays(arrays, COLOURS), targets=Arrays(values - first)
        )
    return Source(name=name or folder.resolve().name, kind="idx", path=folder, classes=classes, splits=splits)


def read_pair(images: Path, labels: Path) -> tuple[UInt8[np.ndarray, "n h w 1"], Int64[np.ndarray, " n"]]:
    """Read a file of images and its file of labels, which must have the same length."""
    pixels, values = read_idx(images, dimensions=3), read_idx(labels, dimensions=1)
    if len(pixels) != len(values):
        reason = f"has {len(values)} labels for {len(pixels)} images in {images.name}"
        raise InputError(labels, reason, "fetch both files again")
    if not pixels.size or min(pixels.shape[1:]) < 2:
        raise InputError(images, f"has images of shape {pixels.shape}, at least 1x2x2 is needed", "fetch it again")
    return pixels[..., None], values.astype(np.int64)


def read_idx(path: Path, *, dimensions: int) -> np.ndarray:
    """Read a uint8 array with `dimensions` axes; raises InputError for a damaged file."""
    length = 4 + 4 * dimensions
    unpacker = _Unpacker(path, read_bytes(path))
    header = unpacker.read(length)
    expected = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    if header[:4] != expected:
        reason = f"starts with {header[:4].hex(' ') or 'nothing'}, not with the IDX magic {expected.hex(' ')}"
        raise InputError(path, reason, "fetch it again, or give a file of unsigned bytes")
    if len(header) < length:
        raise InputError(path, f"ends within its header ({len(header)} of {length} bytes)", "fetch it again")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    size = int(np.prod([int(side) for side in shape], dtype=object))
    body = unpacker.read(size)
    if len(body) < size:
        shape_text = "x".join(map(str, shape))
        raise InputError(path, f"is too short: {len(body)} bytes instead of {size} ({shape_text})", "fetch it again")
    if unpacker.read(1):
        raise InputError(path, f"has bytes after the {size} that its header announces", "fetch it again")
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)


def _find(folder: Path, split: str, contents: str) -> Path | None:
    dimensions = 3 if contents == "images" else 1
    stem = f"{PREFIXES[split]}-{contents}"
    names = [f"{stem}{separator}idx{dimensions}-ubyte{end}" for end in ("", ".gz") for separator in "-."]
    return next((folder / name for name in names if is_there(folder / name)), None)


def _classes(splits: list[tuple[np.ndarray, Path]]) -> tuple[int, tuple[str, ...]]:
    """Return the first label and the class names; labels must be consecutive, which damaged ones seldom are."""
    values, path = splits[0]
    present = np.unique(values)
    gaps = present[1:][np.diff(present) > 1]
    if len(gaps):
        reason = f"has label {gaps[0]} but none of {gaps[0] - 1}: labels must be consecutive"
        raise InputError(path, reason, "the file is damaged, or renumber the labels")
    return int(present[0]), tuple(str(value) for value in present)


class _Unpacker:
    """Reads a file's content piece by piece, decompressing gzip; never more than requested."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self.gzip = zlib.decompressobj(wbits=31) if content.startswith(GZIP) else None
        self.rest = content

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        if size == 0:  # zlib takes 0 for no limit
            return b""
        if self.gzip is None:
            piece, self.rest = self.rest[:size], self.rest[size:]
            return piece
        try:
            piece = self.gzip.decompress(self.rest, size)
            while len(piece) < size and self.gzip.eof and self.gzip.unused_data.startswith(GZIP):  # a second member
                self.rest, self.gzip = self.gzip.unused_data, zlib.decompressobj(wbits=31)
                piece += self.gzip.decompress(self.rest, size - len(piece))
        except zlib.error as error:
            raise InputError(self.path, f"is damaged gzip ({error})", "fetch it again") from None
        self.rest = self.gzip.unconsumed_tail
        if len(piece) < size and not self.gzip.eof:
            raise InputError(self.path, "is truncated: its gzip stream does not end", "fetch it again")
        if self.gzip.eof and self.gzip.unused_data and len(piece) < size:
            raise InputError(self.path, "has bytes after its gzip stream", "fetch it again")
        return piece
