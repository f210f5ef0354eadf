"""Statistics of masks: pixels and images of each class, and the masks that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from convworks.data.column import IGNORED, Files
from convworks.data.config import Decoding
from convworks.data.decode.load_files import each
from convworks.data.decode.numbers import read_numbers
from convworks.data.decode.sizes import mismatched
from convworks.data.decode.tally import tally
from convworks.data.formats import NUMPY
from convworks.data.location import read_bytes
from convworks.data.source import Source, Split
from convworks.data.sources.split_names import TRAIN


@dataclass(frozen=True, kw_only=True)
class MaskCounts:
    """By split: the pixels of each class, the images that show it, and the pixels that are ignored."""

    pixels: Mapping[str, Mapping[str, int]]
    images: Mapping[str, Mapping[str, int]]
    ignored: Mapping[str, int]


def count_masks(source: Source, decoding: Decoding) -> MaskCounts:
    """Count the pixels of all masks of a source."""
    counts = {name: tally(split.targets, decoding) for name, split in source.splits.items()}
    k = len(source.classes)
    return MaskCounts(
        pixels={
            name: dict(zip(source.classes, rows[:, :k].sum(0).tolist(), strict=True)) for name, rows in counts.items()
        },
        images={
            name: dict(zip(source.classes, (rows[:, :k] > 0).sum(0).tolist(), strict=True))
            for name, rows in counts.items()
        },
        ignored={name: int(rows[:, IGNORED].sum()) for name, rows in counts.items()},
    )


def lacking_in_masks(source: Source) -> dict[str, list[str]]:
    """Map each split whose masks show no pixel of some class that those of train show to the names of these classes."""
    if not source.masked or TRAIN not in source.splits:
        return {}
    trained = set(_shown(source, TRAIN))
    lacking = {name: sorted(trained - set(_shown(source, name))) for name in source.splits}
    return {name: [source.classes[number] for number in numbers] for name, numbers in lacking.items() if numbers}


def untrained(source: Source) -> list[str]:
    """Return the classes of masks that no mask of train shows, in a source that is divided."""
    if not source.masked or TRAIN not in source.splits:
        return []
    shown = set(_shown(source, TRAIN))
    return [name for number, name in enumerate(source.classes) if number not in shown]


def _shown(source: Source, split: str) -> list[int]:
    counts = tally(source.splits[split].targets)[:, : len(source.classes)]
    return [int(number) for number in np.flatnonzero(counts.any(0))]


def unusable_masks(split: Split, decoding: Decoding) -> list[tuple[str, str]]:
    """Return the masks that cannot be read, have values of no class, or another size than their image; and why."""
    masks = split.targets
    damages = mismatched(split, decoding.max_pixels)
    if isinstance(masks, Files):

        def check(index: int) -> None:
            file = masks.files[index]
            numpy = file.suffix.lower() == NUMPY
            read_numbers(file, read_bytes(file), numpy=numpy, decoding=decoding, coding=masks.spatial.coding)

        damages = [*each(check, len(masks)), *damages]
    return [(damage.where, damage.reason) for damage in damages]
