"""Files whose pixels are floating-point numbers: what black and white are, one rule for a whole source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from convworks.data.config import DECODING, DataConfig, Decoding
from convworks.data.decode.decode import Probe
from convworks.data.decode.encoded import open_encoded
from convworks.data.decode.quiet import quiet
from convworks.data.decode.shape import sample
from convworks.data.place import Place, open_bytes
from convworks.data.source import Source

MODE = "F"  # Pillow's
BYTES = (0.0, 255.0)


def has_floats(probes: Iterable[Probe]) -> bool:
    """Tell whether an image has floating-point pixels."""
    return any(found.mode == MODE for found in probes)


def decoding_of(data: DataConfig, source: Source, probes: Iterable[Probe]) -> Decoding:
    """Return how the files of a source are decoded; what black and white are is found out, if need be and unless given.

    `probes` are headers of its files. Only where there are floating-point pixels among them are any images decoded.
    """
    ends = data.float_range
    if ends is None and has_floats(probes):
        files = [file for split in source.splits.values() for file in split.files or ()]
        ends = float_range(files, data.max_pixels)
    return Decoding(max_pixels=data.max_pixels, float_range=ends or DECODING.float_range)


def float_range(files: Sequence[Place], max_pixels: int) -> tuple[float, float] | None:
    """Return black and white of the floating-point pixels of files: 0 and 1, or 0 and 255 where any is above 1.

    None where there are no such pixels. Looks at up to 512 files, spread evenly; what lies outside of the range is
    refused when it is decoded.
    """
    known = None
    with quiet():
        for index in sample(len(files)):
            largest = _largest(files[index], max_pixels)
            if largest is None:
                continue
            if largest > DECODING.float_range[1]:
                return BYTES
            known = DECODING.float_range
    return known


def floats_note(ends: tuple[float, float]) -> str:
    """Say what black and white are."""
    field = f"data.float_range={ends[0]:g},{ends[1]:g}"
    return f"floating-point pixels: {ends[0]:g} is black and {ends[1]:g} white in all files ({field})"


def _largest(file: Place, max_pixels: int) -> float | None:
    """Return the largest floating-point pixel of a file; None where it has none, or cannot be read."""
    try:
        with open_bytes(file) as content, open_encoded(content) as image:
            if image.mode != MODE or image.width * image.height > max_pixels:
                return None
            return float(np.nanmax(np.asarray(image)))
    except Exception:  # a damaged file raises nearly anything
        return None
