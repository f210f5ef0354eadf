"""What the headers of a split's images say: size and channels of a network for them, and what fitting cuts away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from convworks.data.config import Fit
from convworks.data.decode.decode import Probe, probe
from convworks.data.decode.preprocess import crop_box
from convworks.data.place import Place
from convworks.data.source import Source, Split
from convworks.data.sources.split_names import ALL, TRAIN
from convworks.errors import InputError

SAMPLE = 512  # files whose headers are read
SMALLEST = 32  # photographs are not brought below this side
#: Of the pixels of an image, as the mean over the images: what is much to cut away, and the least that is worth a word.
LARGE, SAID = 1 / 3, 0.1


@dataclass(frozen=True, kw_only=True)
class ImageShape:
    """Size (height, width) and channels of images."""

    size: tuple[int, int]
    channels: int


@dataclass(frozen=True, kw_only=True)
class Headers:
    """What the headers of some of `total` images say: of all that can be read, and why the first cannot that cannot."""

    probes: tuple[Probe, ...]
    total: int
    damage: tuple[str, str, str] | None = None  # words alone: an exception would keep what it was raised on alive


def sample(count: int) -> list[int]:
    """Return which of so many images are looked at: up to 512, spread evenly."""
    chosen: list[int] = np.linspace(0, count - 1, min(SAMPLE, count)).astype(int).tolist()
    return chosen


def read_headers(split: Split) -> Headers:
    """Read the headers of up to 512 files, spread evenly; of an array, its shape."""
    if split.arrays is not None:
        _, height, width, channels = split.arrays.shape
        only = Probe(width=width, height=height, channels=channels, mode="uint8", format="array")
        return Headers(probes=(only,), total=len(split))
    assert split.files is not None
    return headers_of([_look(split.files[index]) for index in sample(len(split))], total=len(split))


def main_split(source: Source) -> Split:
    """Return the split that a network is made for: train, or all; of a source that has neither, the first."""
    return next(source.splits[name] for name in (TRAIN, ALL, *source.splits) if name in source.splits)


def headers_of(looks: Iterable[Probe | InputError], *, total: int) -> Headers:
    """Sort what was read of some of `total` files, or raised."""
    looks = list(looks)
    errors = [look for look in looks if isinstance(look, InputError)]
    damage = (errors[0].where, errors[0].reason, errors[0].remedy) if errors else None
    return Headers(probes=tuple(look for look in looks if isinstance(look, Probe)), total=total, damage=damage)


def image_shape(headers: Headers, *, largest: int, fit: Fit = "crop") -> ImageShape:
    """Return the images' own shape where they all share one of at most `largest` pixels, else a square of theirs.

    The square has the median shorter side, in a letterbox the longer one, at most `largest`, rounded down to a multiple
    of 8. Damaged images are passed over, for `load_images` names all there are; raises InputError where there are no
    others.
    """
    probes = headers.probes
    if not probes:
        assert headers.damage is not None
        raise InputError(*headers.damage)
    channels = max(found.channels for found in probes)
    if probes[0].format == "array":
        return ImageShape(size=(probes[0].height, probes[0].width), channels=channels)
    sizes = Counter((found.height, found.width) for found in probes)
    size, count = sizes.most_common(1)[0]
    if count == len(probes) and max(size) <= largest:
        return ImageShape(size=size, channels=channels)
    choose = max if fit == "letterbox" else min
    side = int(np.median([choose(found.height, found.width) for found in probes]))
    side = max(SMALLEST, min(side, largest) // 8 * 8)
    return ImageShape(size=(side, side), channels=channels)


def cut_share(headers: Headers, size: tuple[int, int], fit: Fit) -> float:
    """Return the share of its pixels that an image loses when it is fitted to `size`, as the mean over the images."""
    sizes = Counter((found.height, found.width) for found in headers.probes)
    lost = sum(count * _cut(have, size, fit) for have, count in sizes.items())
    return lost / max(1, sizes.total())


def cuts_much(headers: Headers, size: tuple[int, int]) -> bool:
    """Tell whether a crop to `size` would leave out more than a third of the pixels, as the mean over the images.

    In whole per cent: photographs of 3:2 are to be treated alike, though 500x333 pixels are not quite that.
    """
    return round(cut_share(headers, size, "crop"), 2) > LARGE


def _cut(have: tuple[int, int], want: tuple[int, int], fit: Fit) -> float:
    if fit == "crop":
        left, upper, right, lower = crop_box((have[1], have[0]), (want[1], want[0]))
        kept = (right - left, lower - upper)
    elif fit == "pad":
        kept = (min(have[0], want[0]), min(have[1], want[1]))
    else:
        return 0.0
    return 1 - kept[0] * kept[1] / (have[0] * have[1])


def fit_note(headers: Headers, size: tuple[int, int], fit: Fit) -> str | None:
    """Say what share of the pixels fitting cuts away, or would, and what to do about it; None where it is small."""
    height, width = size
    if fit in ("crop", "pad"):
        share = cut_share(headers, size, fit)
        if share < SAID:
            return None
        verb = "crops" if fit == "crop" else "cuts"
        lost = f"training {verb} images to {width}x{height}: {share:.0%} of their pixels are cut away on average"
        return f"{lost} (--set data.fit=letterbox or squash keeps all)"
    if fit == "letterbox" and cuts_much(headers, size):
        kept = f"training puts images whole into {width}x{height} (data.fit=letterbox)"
        return f"{kept}: a crop would cut away {cut_share(headers, size, 'crop'):.0%} of their pixels on average"
    return None


def frames_note(count: int, *, looked: int, total: int) -> str | None:
    """Say that of `count` files, among so many `looked` at, only the first frame or page is used; None for no file."""
    if not count:
        return None
    which = f"{count:,} {'file' if count == 1 else 'files'}"
    if looked < total:
        which = f"{count:,} of the {looked:,} files looked at"
    return f"{which} with several frames or pages: only the first is used"


def _look(file: Place) -> Probe | InputError:
    try:
        return probe(file, max_pixels=None)
    except InputError as error:
        return error
