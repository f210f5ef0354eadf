"""Image headers of a split: the input size and channels that suit them, and how much fitting cuts away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from convworks.data.column import Arrays
from convworks.data.config import Fit
from convworks.data.decode.decode import Probe, probe
from convworks.data.decode.preprocess import crop_box
from convworks.data.location import Location
from convworks.data.source import Source, Split
from convworks.data.sources.split_names import ALL, TRAIN
from convworks.errors import InputError, counted

SAMPLE = 512  # files whose headers are read
SMALLEST = 32  # pixels: lower bound of the side for photographs
COLOURS = 3  # channels from which an image is in colours
#: Mean fraction of the pixels of an image cut away: what counts as much, and the least that is reported.
LARGE, SAID = 1 / 3, 0.1


@dataclass(frozen=True, kw_only=True)
class ImageShape:
    """Size (height, width) and channels of images."""

    size: tuple[int, int]
    channels: int


@dataclass(frozen=True, kw_only=True)
class Headers:
    """The readable headers of a sample of `total` images, and the first error if any is unreadable."""

    probes: tuple[Probe, ...]
    total: int
    damage: tuple[str, str, str] | None = None  # an exception would keep its traceback alive


def sample(count: int) -> list[int]:
    """Return up to 512 indices spread evenly over `count` images."""
    indices: list[int] = np.linspace(0, count - 1, min(SAMPLE, count)).astype(int).tolist()
    return indices


def read_headers(split: Split) -> Headers:
    """Read the headers of up to 512 files, spread evenly; for an array, use its shape."""
    if isinstance(split.inputs, Arrays):
        _, height, width, channels = split.inputs.values.shape
        only = Probe(width=width, height=height, channels=channels, mode="uint8", format="array")
        return Headers(probes=(only,), total=len(split))
    files = split.inputs.files
    return headers_of([_try_probe(files[index]) for index in sample(len(split))], total=len(split))


def main_split(source: Source) -> Split:
    """Return the split that determines the network's input: train, else all, else the first."""
    return next(source.splits[name] for name in (TRAIN, ALL, *source.splits) if name in source.splits)


def headers_of(results: Iterable[Probe | InputError], *, total: int) -> Headers:
    """Separate the headers and errors of a sample of `total` files."""
    results = list(results)
    errors = [result for result in results if isinstance(result, InputError)]
    damage = (errors[0].where, errors[0].reason, errors[0].remedy) if errors else None
    probes = tuple(result for result in results if isinstance(result, Probe))
    return Headers(probes=probes, total=total, damage=damage)


def image_shape(headers: Headers, *, largest: int, fit: Fit = "crop") -> ImageShape:
    """Return the common shape of all images if no side exceeds `largest` pixels, else a square.

    The side of the square is the median shorter side (for a letterbox the longer one), at most `largest`, rounded down
    to a multiple of 8. Damaged images are ignored, because `load_images` reports them all; raises InputError if there
    are no others.
    """
    probes = headers.probes
    if not probes:
        assert headers.damage is not None
        raise InputError(*headers.damage)
    channels = max(header.channels for header in probes)
    if probes[0].format == "array":
        return ImageShape(size=(probes[0].height, probes[0].width), channels=channels)
    sizes = Counter((header.height, header.width) for header in probes)
    size, count = sizes.most_common(1)[0]
    if count == len(probes) and max(size) <= largest:
        return ImageShape(size=size, channels=channels)
    choose = max if fit == "letterbox" else min
    side = int(np.median([choose(header.height, header.width) for header in probes]))
    side = max(SMALLEST, min(side, largest) // 8 * 8)
    return ImageShape(size=(side, side), channels=channels)


def cut_share(headers: Headers, size: tuple[int, int], fit: Fit) -> float:
    """Return the mean fraction of pixels that images lose when they are fitted to `size`."""
    sizes = Counter((header.height, header.width) for header in headers.probes)
    lost = sum(count * _cut(have, size, fit) for have, count in sizes.items())
    return lost / max(1, sizes.total())


def cuts_much(headers: Headers, size: tuple[int, int]) -> bool:
    """Return whether a crop to `size` would cut away more than a third of the pixels, on average.

    Rounded to whole per cent, so that all 3:2 photographs are treated alike, including 500x333 pixels.
    """
    return round(cut_share(headers, size, "crop"), 2) > LARGE


def _cut(have: tuple[int, int], want: tuple[int, int], fit: Fit) -> float:
    if fit == "crop":
        left, upper, right, lower = crop_box((have[1], have[0]), (want[1], want[0]))
        remaining = (right - left) * (lower - upper)
    elif fit == "pad":
        remaining = min(have[0], want[0]) * min(have[1], want[1])
    else:
        return 0.0
    return 1 - remaining / (have[0] * have[1])


def fit_note(headers: Headers, size: tuple[int, int], fit: Fit) -> str | None:
    """Return a note on the fraction of pixels that fitting cuts away, or would, and a remedy; None if it is small."""
    height, width = size
    if fit in ("crop", "pad"):
        fraction = cut_share(headers, size, fit)
        if fraction < SAID:
            return None
        verb = "crops" if fit == "crop" else "cuts"
        summary = f"training {verb} images to {width}x{height}: {fraction:.0%} of their pixels are cut away on average"
        return f"{summary} (--set data.fit=letterbox or squash keeps all)"
    if fit == "letterbox" and cuts_much(headers, size):
        summary = f"training letterboxes images to {width}x{height} (data.fit=letterbox)"
        return f"{summary}: a crop would lose {cut_share(headers, size, 'crop'):.0%} of their pixels on average"
    return None


def channels_note(headers: Headers, channels: int, *, adapted: bool) -> str | None:
    """Return a note that colours are read as grey, or grey images in colours; None where channels are those of images.

    `adapted` says that the network was trained by another run, which is why.
    """
    have = max((header.channels for header in headers.probes), default=channels)
    why = "as the network that is adapted was trained" if adapted else f"data.channels={channels}"
    if channels == 1 and have >= COLOURS:
        return f"images in colours are read as grey: {why}"
    if channels >= COLOURS and have == 1:
        return f"grey images are read in colours, each channel the same: {why}"
    return None


def frames_note(count: int, *, looked: int, total: int) -> str | None:
    """Return a note that `count` of the `looked` files examined have several frames or pages; None if no file has."""
    if not count:
        return None
    which = f"{counted(count, 'file')}"
    if looked < total:
        which = f"{count:,} of the {looked:,} files looked at"
    return f"{which} with several frames or pages: only the first is used"


def _try_probe(file: Location) -> Probe | InputError:
    try:
        return probe(file, max_pixels=None)
    except InputError as error:
        return error
