"""Files with floating-point pixels: the values of black and white, one rule for a whole source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from convworks.data.column import files_of
from convworks.data.config import DECODING, DataConfig, Decoding
from convworks.data.decode.decode import Probe
from convworks.data.decode.encoded import open_encoded
from convworks.data.decode.quiet import quiet
from convworks.data.decode.shape import sample
from convworks.data.location import Location, open_bytes
from convworks.data.source import Source

MODE = "F"  # Pillow's mode
BYTES = (0.0, 255.0)


def has_floats(probes: Iterable[Probe]) -> bool:
    """Return whether any image has floating-point pixels."""
    return any(header.mode == MODE for header in probes)


def decoding_of(data: DataConfig, source: Source, probes: Iterable[Probe]) -> Decoding:
    """Return how the files of a source are decoded, with the values of black and white configured or measured.

    `probes` are headers of its files. Images are decoded only if some have floating-point pixels.
    """
    ends = data.float_range
    if ends is None and has_floats(probes):
        files = [file for split in source.splits.values() for file in files_of(split.inputs)]
        ends = float_range(files, data.max_pixels)
    return Decoding(max_pixels=data.max_pixels, float_range=ends or DECODING.float_range)


def float_range(files: Sequence[Location], max_pixels: int) -> tuple[float, float] | None:
    """Return the values of black and white of floating-point pixels: 0 and 1, or 0 and 255 if any is above 1.

    None if there are no such pixels. Examines up to 512 files, spread evenly; values outside the range are refused
    when an image is decoded.
    """
    ends = None
    with quiet():
        for index in sample(len(files)):
            largest = _largest(files[index], max_pixels)
            if largest is None:
                continue
            if largest > DECODING.float_range[1]:
                return BYTES
            ends = DECODING.float_range
    return ends


def floats_note(ends: tuple[float, float]) -> str:
    """Return a note on the values of black and white."""
    field = f"data.float_range={ends[0]:g},{ends[1]:g}"
    return f"floating-point pixels: {ends[0]:g} is black and {ends[1]:g} white in all files ({field})"


def _largest(file: Location, max_pixels: int) -> float | None:
    """Return the largest floating-point pixel of a file; None if it has none, or cannot be read."""
    try:
        with open_bytes(file) as content, open_encoded(content) as image:
            if image.mode != MODE or image.width * image.height > max_pixels:
                return None
            return float(np.nanmax(np.asarray(image)))
    except Exception:  # a damaged file raises almost anything
        return None
