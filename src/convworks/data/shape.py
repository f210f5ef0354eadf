"""The size and channels that a network for a split's images should have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from convworks.data.decode import Probe, probe
from convworks.data.place import Place
from convworks.data.source import Split
from convworks.errors import InputError

SAMPLE = 512  # files whose headers are read
SMALLEST = 32  # photographs are not brought below this side


@dataclass(frozen=True, kw_only=True)
class ImageShape:
    """Size (height, width) and channels of images."""

    size: tuple[int, int]
    channels: int


def image_shape(split: Split, *, largest: int) -> ImageShape:
    """Return the images' own shape where they all share one of at most `largest` pixels, else a square of theirs.

    The square has the median shorter side, at most `largest`, rounded down to a multiple of 8. Reads the headers of
    up to 512 files, spread evenly. Damaged ones are passed over, for `load_images` names all there are; it raises
    InputError where there are no others.
    """
    if split.arrays is not None:
        _, height, width, channels = split.arrays.shape
        return ImageShape(size=(height, width), channels=channels)
    assert split.files is not None
    chosen = np.linspace(0, len(split.files) - 1, min(SAMPLE, len(split.files))).astype(int)
    probes = _probe([split.files[index] for index in chosen])
    channels = max(found.channels for found in probes)
    sizes = Counter((found.height, found.width) for found in probes)
    size, count = sizes.most_common(1)[0]
    if count == len(probes) and max(size) <= largest:
        return ImageShape(size=size, channels=channels)
    side = int(np.median([min(found.height, found.width) for found in probes]))
    side = max(SMALLEST, min(side, largest) // 8 * 8)
    return ImageShape(size=(side, side), channels=channels)


def _probe(paths: list[Place]) -> list[Probe]:
    """Read the headers of all files but the damaged ones; where all are, raise the first one's error."""
    found: list[Probe] = []
    errors: list[InputError] = []
    for path in paths:
        try:
            found.append(probe(path))
        except InputError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    return found
